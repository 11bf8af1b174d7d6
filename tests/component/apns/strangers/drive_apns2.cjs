// apns2 (undici's pool, HTTP/2).
const { drive } = require("./driver.cjs");

drive(async (settings, load) => {
  const { ApnsClient, Notification, Host } = load("apns2");
  const client = new ApnsClient({
    team: settings.teamId,
    keyId: settings.keyId,
    signingKey: settings.key,
    host: Host.development,
  });
  return async ({ token, topic, type, payload }) => {
    const { aps, ...data } = payload;
    try {
      await client.send(new Notification(token, { topic, type, aps, data }));
      return { reason: null };
    } catch (error) {
      return { reason: error.reason ?? error.constructor.name, timestamp: error.response?.timestamp };
    }
  };
});
