// @parse/node-apn 8.1.0 as it is, but for the host.
const apn = require("@parse/node-apn");
const { readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");

const { env } = process;
const provider = new apn.Provider({
  token: { key: env.APNS_KEY_FILE, keyId: env.APNS_KEY_ID, teamId: env.APNS_TEAM_ID },
  address: env.APNS_HOST,
  port: Number(env.APNS_PORT),
  ca: readFileSync(env.APNS_CA_FILE),
});

async function push({ id, token, topic, push_type, payload, apns_id }) {
  const note = new apn.Notification();
  note.topic = topic;
  note.pushType = push_type;
  note.rawPayload = payload;
  if (apns_id) note.id = apns_id;
  const { sent, failed } = await provider.send(note, token);
  if (sent.length) return { id, status: 200 };
  const [{ status, response, error }] = failed;
  return { id, status, reason: response?.reason, timestamp: response?.timestamp, error: error?.message };
}

const pushing = new Set();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const one = push(JSON.parse(line)).then((report) => console.log(JSON.stringify(report)));
    pushing.add(one.finally(() => pushing.delete(one)));
  })
  .on("close", () => provider.shutdown());
