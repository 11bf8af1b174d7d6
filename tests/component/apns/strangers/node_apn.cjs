// @parse/node-apn, unmodified: pushes what the JSON on standard input asks for, prints one JSON list of outcomes.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const wanted = JSON.parse(readFileSync(0, "utf8"));
const apn = createRequire(`${wanted.packages}/`)("@parse/node-apn");

const provider = new apn.Provider({
  token: { key: wanted.key, keyId: wanted.keyId, teamId: wanted.teamId },
  address: "localhost",
  port: wanted.port,
  ca: wanted.ca,
});

async function outcome({ token, topic, type, payload }) {
  const notification = new apn.Notification();
  notification.topic = topic;
  notification.pushType = type;
  notification.rawPayload = payload;
  const { sent, failed } = await provider.send(notification, token);
  if (sent.length) return { status: 200 };
  const [{ status, response, error }] = failed;
  return { status, reason: response?.reason, timestamp: response?.timestamp, error: error && String(error) };
}

(async () => {
  const outcomes = [];
  for (const push of wanted.pushes) outcomes.push(await outcome(push));
  console.log(JSON.stringify(outcomes));
  await provider.shutdown();
})();
