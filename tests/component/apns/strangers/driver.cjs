// What the strangers from npm share: Apple's host names lead to the sandbox, and pushes are asked for line by line.
// Standard input and output as in driver.py.
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");
const tls = require("node:tls");

const APPLE = ".push.apple.com";
const connect = tls.connect;

function redirect(port, ca) {
  tls.connect = (...given) => {
    const options = given.find((one) => one && typeof one === "object") ?? {};
    const host = typeof given[1] === "string" ? given[1] : options.host;
    const servername = options.servername || host || "";
    if (!servername.endsWith(APPLE)) return connect(...given);
    const listener = given.find((one) => typeof one === "function");
    return connect({ ...options, host: "127.0.0.1", port, servername, ca }, listener);
  };
  require("node:module").syncBuiltinESMExports();
}

async function drive(start) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const settings = JSON.parse((await lines.next()).value);
  redirect(settings.port, settings.ca);
  const send = await start(settings, createRequire(`${settings.packages}/`));
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const { pushes, at_once } = JSON.parse(line);
    const outcomes = [];
    if (at_once) outcomes.push(...(await Promise.all(pushes.map(send))));
    else for (const push of pushes) outcomes.push(await send(push));
    console.log(JSON.stringify(outcomes));
  }
  process.exit(0);
}

module.exports = { drive };
