// A push for other tools: a curl command for the shell, and a file as Xcode's simctl takes it.

import { api } from "./dom.js";

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/** A command that sends it again, with a provider token that is good for an hour. */
export async function curl(push, store) {
  const { token } = await api("POST", "/provider-tokens", {});
  const headers = push.headers.filter(([name]) => /^(apns-|content-type$)/.test(name));
  const lines = [
    `curl -i -g --http2 --cacert ${quoted(store.about.ca_file)}`,
    `-H ${quoted(`authorization: bearer ${token}`)}`,
    ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    push.method === "POST" && push.body ? null : `-X ${quoted(push.method)}`,
    push.body ? `--data-raw ${quoted(push.body)}` : null,
    quoted(`https://${store.about.apns[push.kind === "channel" ? `manage-${push.realm}` : push.realm]}${push.path}`),
  ];
  return lines.filter(Boolean).join(" \\\n  ");
}

/** The payload with the key by which simctl knows the app. */
export function simctl(push) {
  const bundle = (push.topic ?? "").replace(/\.(push-type\.\w+|voip|complication|pushkit\.fileprovider|location-query|voip-ptt)$/, "");
  return JSON.stringify({ "Simulator Target Bundle": bundle, ...(push.payload ?? {}) }, null, 2) + "\n";
}
