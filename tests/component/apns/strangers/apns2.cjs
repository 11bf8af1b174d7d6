// apns2: pushes what the JSON on standard input asks for, prints one JSON list of outcomes.
// It knows only port 443, so its connection pool is replaced by one like it to another origin.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const wanted = JSON.parse(readFileSync(0, "utf8"));
const load = createRequire(`${wanted.packages}/`);
const { ApnsClient, Notification } = load("apns2");
const { Pool } = createRequire(load.resolve("apns2"))("undici");

const client = new ApnsClient({ team: wanted.teamId, keyId: wanted.keyId, signingKey: wanted.key, host: "localhost" });
client.client = new Pool(`https://localhost:${wanted.port}`, {
  connections: 32,
  pipelining: 1,
  allowH2: true,
  maxConcurrentStreams: 100,
  connect: { ca: wanted.ca },
});

async function outcome({ token, topic, type, payload }) {
  const { aps, ...data } = payload;
  try {
    await client.send(new Notification(token, { topic, type, aps, data }));
    return { status: 200 };
  } catch (error) {
    return { status: error.statusCode, reason: error.reason, timestamp: error.response?.timestamp, error: String(error) };
  }
}

(async () => {
  const outcomes = [];
  for (const push of wanted.pushes) outcomes.push(await outcome(push));
  console.log(JSON.stringify(outcomes));
  await client.destroy();
})();
