// @parse/node-apn (its own client on node:http2).
const { drive } = require("./driver.cjs");

drive(async (settings, load) => {
  const apn = load("@parse/node-apn");
  const provider = new apn.Provider({
    token: { key: settings.key, keyId: settings.keyId, teamId: settings.teamId },
    production: false,
    ca: settings.ca,
  });
  return async ({ token, topic, type, payload }) => {
    const notification = new apn.Notification();
    notification.topic = topic;
    notification.pushType = type;
    notification.rawPayload = payload;
    const { sent, failed } = await provider.send(notification, token);
    if (sent.length) return { reason: null };
    const [{ response, error }] = failed;
    return { reason: response?.reason ?? error?.constructor.name, timestamp: response?.timestamp };
  };
});
