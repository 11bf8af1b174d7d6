// The clock, which may be turned, and who is connected to APNs.

import { api, attempt, button, calm, field, fill, h, serial, span, time } from "./dom.js";

/** What happens to connections, in words: also what never became a request, such as one that was malformed. */
const SAID = {
  connection_opened: (detail) => `opened, ${detail.realm}`,
  connection_closed: (detail) => `closed after ${detail.requests} ${detail.requests === 1 ? "request" : "requests"}${detail.error ? `: ${detail.error}` : ""}`,
  connection_idle: () => "idle for too long",
  connection_crashed: (detail) => `crashed: ${detail.error}`,
  stream_refused: (detail) => `a stream over the limit of ${detail.limit} was refused`,
  stream_reset: (detail) => `a request was reset: ${detail.why}`,
  protocol_error: (detail) => `ended, for it broke HTTP/2: ${detail.message}`,
};
const LEAPS = [[60, "1 minute"], [900, "15 minutes"], [3600, "1 hour"], [8 * 3600, "8 hours"]];

export function connectionsView(page) {
  const { store } = page;
  const clock = h("div", {});
  const table = h("div", { class: "table" });
  const lines = h("ul", { class: "events" });
  const seconds = h("input", { type: "number", min: "0", value: "90", step: "any" });
  const leaps = h("div", { class: "actions" }, LEAPS.map(([length, text]) => button(`+ ${text}`, () => attempt(() => advance(length)))));
  const turn = h("div", {}, leaps, h("div", { class: "inline" }, field("Seconds", seconds), button("Advance", () => attempt(() => advance(Number(seconds.value))))));
  const element = h("div", { class: "connections" },
    h("div", { class: "card" }, h("h2", {}, "Clock"), clock, turn),
    h("div", { class: "card" }, h("h2", {}, "Connections"), table, lines,
      h("div", { class: "actions" },
        button("GOAWAY to all", () => attempt(() => disturb({ do: "goaway" }))),
        button("503 Shutdown", () => attempt(() => disturb({ do: "shutdown" })), { title: "The next request is answered 503 Shutdown, then the connections end" }),
        button("Idle too long", () => attempt(() => disturb({ do: "idle_timeout" })), { title: "Treat every connection as idle for too long" }))));

  async function advance(length) {
    await api("POST", "/clock/advance", { seconds: length });
    await page.refreshClock();
    page.refreshScreen();
    page.refreshPushes();
    paintClock();
  }

  async function disturb(body) {
    await api("POST", "/connections", body);
    refresh();
  }

  function paintClock() {
    const virtual = store.clock.kind === "virtual";
    turn.hidden = !virtual;
    fill(clock, h("p", { class: "big time" }, time(store.now())), h("p", { class: "hint" }, virtual
      ? "The clock stands until it is turned: budgets, stale cards, the eight hours of an activity pass in a moment."
      : ["The clock is the machine's. Start ", h("code", {}, "simulator apns --clock virtual"), " to turn it."]));
  }

  const paint = serial(async () => {
    const { connections } = await api("GET", "/connections");
    fill(table, connections.length ? h("table", {},
      h("thead", {}, h("tr", {}, ["", "from", "host", "key", "pushes", "streams", "open for", ""].map((name, at) => (name ? h("th", { scope: "col" }, name) : h("td", {}, at ? h("span", { class: "off-screen" }, "what to do") : h("span", { class: "off-screen" }, "number")))))),
      h("tbody", {}, connections.map((one) => h("tr", {}, h("td", {}, `#${one.number}`), h("td", {}, h("code", {}, one.peer)), h("td", {}, one.host),
        h("td", {}, one.key_id ?? (one.certificate ? "certificate" : "–")), h("td", {}, one.requests), h("td", {}, one.stream_limit), h("td", {}, span(store.now() - one.opened_at)),
        h("td", {}, button("GOAWAY", () => attempt(() => disturb({ do: "goaway", number: one.number })), { class: "small", "aria-label": `GOAWAY to connection ${one.number}` }))))))
      : h("p", { class: "hint" }, "No provider is connected."));
    const { entries } = await api("GET", "/journal?where=apns&limit=3000");
    const found = entries.filter((one) => SAID[one.what]).slice(-8).reverse();
    fill(lines, found.map((one) => h("li", {}, h("time", {}, time(one.at)), " ", SAID[one.what](one.detail))));
  });

  const refresh = calm(() => attempt(paint), 80);
  return { element, open: () => { paintClock(); refresh(); }, refresh };
}
