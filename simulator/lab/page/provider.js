// Connect a provider: where APNs is and what to sign with; and what APNs would say of a provider token.

import { api, attempt, button, copy, day, field, fill, h, json, select, span, time } from "./dom.js";

export function providerView(page) {
  const { store } = page;
  const token = h("textarea", { rows: "5", spellcheck: "false", class: "mono", placeholder: "eyJhbGciOiJFUzI1NiIs… or the whole authorization header" });
  const realm = select([["sandbox", "sandbox"], ["production", "production"]], "sandbox");
  const verdict = h("div", { class: "verdicts", role: "status" });
  const facts = h("dl", { class: "facts" });
  const element = h("div", { class: "provider" },
    h("div", { class: "card" }, h("h2", {}, "Connect a provider"), facts),
    h("div", { class: "card" }, h("h2", {}, "Check a provider token"),
      field("Provider token", token, "It stays on this machine; nothing is kept."), field("Environment", realm),
      h("div", { class: "actions" }, button("Check", () => attempt(check), { class: "primary" }), button("Sign one with this sandbox's key", () => attempt(sign))),
      verdict));

  function open() {
    const key = (store.keys ?? []).find((one) => !one.revoked);
    const device = store.screen?.device;
    if (device) realm.value = device.realm;
    const rows = [
      ["Sandbox", `https://${store.about.apns.sandbox}`, "instead of api.sandbox.push.apple.com"],
      ["Production", `https://${store.about.apns.production}`, "instead of api.push.apple.com"],
      ["CA file", store.about.ca_file, "the certificate to trust"],
      ["Team id", store.about.team_id, "iss of the provider token"],
      ["Key id", key?.key_id, "kid of the provider token"],
      ["Topic", device?.bundle_id, "apns-topic of an alert"],
      ["Device token", device?.tokens.alert, "of an alert"],
      ["Start token", device?.tokens["push-to-start"], "starts a Live Activity"],
    ];
    fill(facts, rows.filter(([, value]) => value).map(([name, value, what]) => [
      h("dt", {}, name, h("small", {}, what)),
      h("dd", {}, h("code", {}, value), button("Copy", () => copy(value, name), { class: "small", "aria-label": `Copy: ${name}` }))]));
  }

  async function sign() {
    token.value = (await api("POST", "/provider-tokens", {})).token;
    await check();
  }

  async function check() {
    const found = await api("POST", "/provider-tokens/check", { token: token.value, realm: realm.value });
    const iat = typeof found.claims.iat === "number" ? found.claims.iat : null;
    const when = iat === null || Math.abs(iat) > 8e12 ? "" : ` iat is ${day(iat)} ${time(iat)}, ${span(found.now - iat)} ${found.now >= iat ? "ago" : "ahead"}.`;
    fill(verdict,
      h("p", { class: "banner", data: { ok: found.ok_for_apns ? "yes" : "no" } },
        h("strong", {}, found.ok_for_apns ? "✓ APNs takes it" : `✕ 403 ${found.reason}`), found.why ? ` ${found.why}.` : "", when),
      h("div", { class: "pair" }, h("pre", { class: "code", tabindex: "0", "aria-label": "Header" }, json(found.header)), h("pre", { class: "code", tabindex: "0", "aria-label": "Claims" }, json(found.claims))),
      h("ol", { class: "checklist" }, found.checks.map((one) => h("li", { data: { result: one.result } },
        h("span", { class: "mark", "aria-hidden": "true" }, { passed: "✓", failed: "✕" }[one.result] ?? "·"), h("span", {}, one.name, h("span", { class: "off-screen" }, `: ${one.result}`)),
        h("small", {}, h("span", { class: "sure", data: { sure: one.confidence } }, one.confidence), " ", one.source)))));
  }

  return { element, open };
}
