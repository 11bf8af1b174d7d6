// hapns (undici, HTTP/2; an ES module).
const { drive } = require("./driver.cjs");
const { pathToFileURL } = require("node:url");

drive(async (settings, load) => {
  const module = (name) => import(pathToFileURL(`${settings.packages}/node_modules/hapns/lib/${name}.js`));
  const { send } = await module("send/index");
  const { Device } = await module("targets/device");
  const { TokenConnector } = await module("connectors/token");
  const { Connector } = await module("connectors/connector");
  const connector = TokenConnector({
    key: new TextEncoder().encode(settings.key),
    keyId: settings.keyId,
    teamIdentifier: settings.teamId,
  });
  return async ({ token, topic, type, payload }) => {
    const notification = {
      topic,
      pushType: type,
      body: payload,
      priority: 10,
      expiration: Math.floor(Date.now() / 1000) + 3600,
      supportedConnectors: Connector.Token,
    };
    try {
      await send(connector, notification, Device(token), { useSandbox: true });
      return { reason: null };
    } catch (error) {
      return { reason: error.reason ?? error.name, message: String(error.message), timestamp: error.timestamp };
    }
  };
});
