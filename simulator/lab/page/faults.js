// Faults: the common ones as switches, with a share and a seed; and the rules themselves as JSON.

import { api, attempt, button, field, fill, h, json, select, serial } from "./dom.js";

const COMMON = [
  ["busy", "429 TooManyRequests", "too many pushes to one token", { answer: { reason: "TooManyRequests" } }],
  ["failing", "500 InternalServerError", "APNs fails", { answer: { reason: "InternalServerError" } }],
  ["away", "503 ServiceUnavailable", "APNs is away", { answer: { reason: "ServiceUnavailable" } }],
  ["gone", "410 Unregistered", "the app was removed", { answer: { reason: "Unregistered" } }],
  ["stale", "403 ExpiredProviderToken", "the provider's clock is off", { answer: { reason: "ExpiredProviderToken" } }],
  ["slow", "Slow", "the answer waits 3 s", { delay_s: 3 }],
  ["silent", "Silence", "it is never answered", { stall: true }],
  ["cut", "Connection cut", "before the push was read", { close: true }],
  ["lost", "Answer lost", "the push arrives, then the connection is cut", { close: true }, { accepts_first: true }],
  ["goaway", "GOAWAY", "this push must be sent again", { goaway: "Shutdown" }],
  ["reset", "REFUSED_STREAM", "its stream is reset", { reset: "REFUSED_STREAM" }],
  ["page", "502 with a page of HTML", "a gateway answers", { answer: { reason: "InternalServerError", status: 502 }, html_body: true }],
];
const TYPES = [["", "every push"], ["alert", "alerts"], ["liveactivity", "Live Activities"], ["background", "background pushes"]];
const PREFIX = "page-";

export function faultsView(page) {
  void page;
  const share = h("input", { type: "range", min: "1", max: "100", value: "100", on: { input: changed, change: restage } });
  const shown = h("output", {}, "100 %");
  const seed = h("input", { type: "number", value: "7", min: "0", step: "1", on: { change: restage } });
  const times = h("input", { type: "number", min: "1", step: "1", placeholder: "no limit", on: { change: restage } });
  const type = select(TYPES, "", restage);
  const switches = h("div", { class: "faults" });
  const rules = h("div", { class: "rules" });
  const own = h("textarea", { rows: "6", spellcheck: "false", class: "mono", value: '{"do": {"answer": {"reason": "TooManyRequests"}}, "match": {"nth": 3}}' });
  const element = h("div", { class: "fault-view" },
    h("div", { class: "card" }, h("h2", {}, "Faults"),
      h("div", { class: "quad" }, h("div", { class: "field" }, h("label", { for: "share" }, "Share of the pushes ", shown), share), field("Seed", seed), field("At most, times", times), field("Meets", type)),
      switches),
    h("div", { class: "card" }, h("h2", {}, "The rules in force"), rules, field("Another rule, as JSON", own),
      h("div", { class: "actions" }, button("Add", () => attempt(add)), button("Clear all", () => attempt(clear)))));
  share.id = "share";
  const toggles = new Map(COMMON.map(([name, title, what]) => [name, h("button", { type: "button", role: "switch", "aria-checked": "false", class: "fault", data: { fault: name },
    on: { click: () => attempt(() => flip(name)) } }, h("strong", {}, title), h("span", {}, what))]));
  fill(switches, [...toggles.values()]);
  let active = [];

  function rule(name) {
    const [, , , act, rest = {}] = COMMON.find(([one]) => one === name);
    const match = {};
    if (Number(share.value) < 100) Object.assign(match, { share: Number(share.value) / 100, seed: Number(seed.value) || 0 });
    if (type.value) match.push_type = type.value;
    const found = { id: PREFIX + name, do: act, ...rest };
    if (Object.keys(match).length) found.match = match;
    if (Number(times.value) >= 1) found.times = Math.floor(Number(times.value));
    return found;
  }

  function changed() {
    shown.textContent = `${share.value} %`;
  }

  async function flip(name) {
    if (toggles.get(name).getAttribute("aria-checked") === "true") await api("DELETE", `/faults/${PREFIX}${name}`);
    else await api("POST", "/faults", rule(name));
    await refresh();
  }

  /** Share, seed and the rest count for the switches that are on already, too. */
  async function restage() {
    changed();
    await attempt(async () => {
      for (const one of active.filter((each) => each.id.startsWith(PREFIX))) {
        await api("DELETE", `/faults/${one.id}`);
        await api("POST", "/faults", rule(one.id.slice(PREFIX.length)));
      }
      await refresh();
    });
  }

  async function add() {
    let given;
    try { given = JSON.parse(own.value); } catch (error) { throw new Error(`This is no JSON: ${error.message}`); }
    await api("POST", "/faults", given);
    await refresh();
  }

  async function clear() {
    await api("DELETE", "/faults");
    await refresh();
  }

  const refresh = serial(async () => {
    active = (await api("GET", "/faults")).faults;
    for (const [name, toggle] of toggles) toggle.setAttribute("aria-checked", String(active.some((one) => one.id === PREFIX + name)));
    fill(rules, active.length ? active.map(({ struck, ...one }) => h("div", { class: "rule-row" },
      h("pre", { class: "code", tabindex: "0", "aria-label": `Rule ${one.id}` }, json(one)),
      h("p", {}, `struck ${struck} ${struck === 1 ? "time" : "times"}`, button("Remove", () => attempt(async () => { await api("DELETE", `/faults/${encodeURIComponent(one.id)}`); await refresh(); }), { class: "small", "aria-label": `Remove ${one.id}` }))))
      : h("p", { class: "hint" }, "None: nothing goes wrong on purpose."));
  });

  return { element, open: () => { attempt(refresh); }, refresh };
}
