// The pushes: a list that grows as they come, and one of them whole beside what became of it.

import { api, attempt, button, copy, download, ending, fill, h, json, select, span, time } from "./dom.js";
import { curl, simctl } from "./export.js";

const OUTCOMES = [["all", "every outcome"], ["good", "shown"], ["waits", "waiting"], ["dropped", "not shown"], ["refused", "refused"]];
const MARKS = { good: "✓", waits: "…", bad: "✕", plain: "·" };
const KNOWN = ["alert", "liveactivity", "background", "voip", "widgets", "broadcast", "channel"];

export const tone = (push) => (push.status === 200 || push.status === 201 || push.status === 204 ? push.outcome.tone : "refused");

export function became(push) {
  const { outcome } = push;
  if (push.status !== 200 && push.reason) return push.fault ? `refused: ${push.reason} (fault)` : `refused: ${push.reason}`;
  return outcome.text;
}

const fits = (push, search) => !search || [push.outcome.title, became(push), push.topic, push.token, push.apns_id, push.reason, push.why, push.body]
  .some((text) => String(text ?? "").toLowerCase().includes(search));

export function pushesView(page) {
  const { store } = page;
  const wanted = { search: "", type: "all", outcome: "all", session: "all" };
  const search = h("input", { type: "search", placeholder: "Search   /", title: "Title, token, topic, apns-id, reason or payload", "aria-label": "Search the pushes",
    on: { input: () => { wanted.search = search.value.trim().toLowerCase(); paint(); } } });
  const types = h("span", {}), sessions = h("span", {});
  const outcomes = h("span", {});
  const count = h("p", { class: "count", role: "status" });
  const list = h("ol", { class: "list", "aria-label": "Pushes, the newest first", on: { keydown: move } });
  const detail = h("article", { class: "detail", id: "one-push", "aria-label": "One push", hidden: true });
  const empty = h("div", { class: "empty" });
  const element = h("div", { class: "pushes", on: { keydown: (event) => { if (event.key === "Escape" && store.selected !== null) close(); } } },
    h("div", { class: "tools" }, search, types, outcomes, sessions,
      button("Send a test push", () => attempt(test), { class: "primary" }),
      button("Clear", () => attempt(() => api("DELETE", "/pushes").then(page.refreshPushes)), { title: "Forget the pushes; phones stay as they are" }), count),
    h("div", { class: "split" }, h("div", { class: "rows" }, list, empty), detail));
  const rows = new Map();
  let shown = null, known = "";

  async function test() {
    if (!store.screen) throw new Error("There is no phone to push to. Add one by POST /control/devices.");
    const { device } = store.screen;
    const push = await page.send({ token: device.tokens.alert, realm: device.realm,
      headers: { "apns-topic": device.bundle_id, "apns-push-type": "alert" },
      payload: { aps: { alert: { title: "Hello", body: "A test push from this page" }, sound: "default" } } });
    page.select(push.number);
  }

  function paint() {
    const all = [...store.pushes.values()].sort((one, other) => other.number - one.number);
    paintFilters(all);
    const seen = all.filter((push) => fits(push, wanted.search)
      && (wanted.type === "all" || push.kind === wanted.type)
      && (wanted.session === "all" || push.session === wanted.session)
      && (wanted.outcome === "all" || outcomeOf(push) === wanted.outcome || push.reason === wanted.outcome));
    for (const [number, row] of rows) if (!store.pushes.has(number)) { row.remove(); rows.delete(number); }
    const wantedRows = seen.map(rowOf);
    if (wantedRows.length !== list.children.length || wantedRows.some((row, index) => row !== list.children[index])) {
      const focused = document.activeElement;
      list.replaceChildren(...wantedRows);
      if (list.contains(focused)) focused.focus();
    }
    const bad = all.filter((push) => ["bad", "refused"].includes(tone(push))).length;
    count.textContent = all.length ? `${all.length} ${all.length === 1 ? "push" : "pushes"}, ${bad} not shown${seen.length < all.length ? `, ${seen.length} listed` : ""}` : "";
    paintEmpty(all, seen);
    paintDetail();
  }

  const outcomeOf = (push) => (tone(push) === "bad" ? "dropped" : tone(push));

  function paintFilters(all) {
    const found = KNOWN.filter((type) => all.some((push) => push.kind === type));
    const others = [...new Set(all.map((push) => push.kind))].filter((type) => !KNOWN.includes(type));
    const talks = [...new Map(all.filter((push) => push.session).map((push) => [push.session, push.outcome.title || push.session])).entries()];
    const reasons = [...new Set(all.map((push) => push.reason).filter(Boolean))].sort();
    const now = JSON.stringify([found, others, reasons, talks.map(([session]) => session)]);
    if (now === known) return;
    known = now;
    const outcome = select([...OUTCOMES, ...reasons.map((one) => [one, one])], wanted.outcome, (value) => { wanted.outcome = value; paint(); });
    outcome.setAttribute("aria-label", "Outcome");
    fill(outcomes, outcome);
    const type = select([["all", "every type"], ...[...found, ...others].map((one) => [one, one])], wanted.type, (value) => { wanted.type = value; paint(); });
    type.setAttribute("aria-label", "Push type");
    fill(types, type);
    const session = select([["all", "every session"], ...talks.map(([id]) => [id, ending(id)])], wanted.session, (value) => { wanted.session = value; paint(); });
    session.setAttribute("aria-label", "Session");
    fill(sessions, talks.length > 1 ? session : null);
  }

  function rowOf(push) {
    const held = rows.get(push.number);
    const current = String(store.selected === push.number);
    if (held?.dataset.revision === String(push.revision)) {
      held.firstChild.setAttribute("aria-expanded", current);
      return held;
    }
    const row = h("li", { data: { revision: push.revision, tone: tone(push) }, class: held ? "" : "new" },
      h("button", { type: "button", class: "row", "aria-expanded": current, "aria-controls": "one-push", data: { number: push.number },
        on: { click: () => page.select(store.selected === push.number ? null : push.number) } },
        h("time", { datetime: new Date(push.at * 1000).toISOString() }, time(push.at)),
        h("span", { class: "type", data: { type: push.kind } }, push.kind),
        h("span", { class: "status" }, push.status ?? "–"),
        h("span", { class: "became" }, h("span", { class: "mark", "aria-hidden": "true" }, MARKS[push.outcome.tone]), became(push),
          push.outcome.title ? [": ", h("strong", {}, push.outcome.title)] : null),
        h("span", { class: "topic" }, short(push.topic)),
        h("code", { class: "end" }, ending(push.token))));
    rows.set(push.number, row);
    if (held && list.contains(held)) {
      const focused = held.contains(document.activeElement);
      held.replaceWith(row);
      if (focused) row.firstChild.focus();
    }
    return row;
  }

  function paintEmpty(all, seen) {
    empty.hidden = seen.length > 0;
    if (seen.length) return;
    if (all.length) return fill(empty, h("p", {}, "No push fits."));
    const address = store.about.apns[store.screen?.device.realm ?? "sandbox"];
    fill(empty, h("p", { class: "big" }, "No pushes yet"),
      h("p", {}, "Point your provider at ", h("code", {}, address), " with the CA file ", h("code", {}, store.about.ca_file), ", or send a test push from here."));
  }

  /** The focus goes back to the push in the list. */
  function close() {
    const opened = rows.get(store.selected)?.firstChild;
    page.select(null);
    if (opened?.isConnected) opened.focus();
  }

  function move(event) {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll(".row")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    next?.focus();
    if (next && store.selected !== null) page.select(Number(next.dataset.number));
  }

  // --- one push ---------------------------------------------------------------------------------------------------

  function paintDetail() {
    const push = store.pushes.get(store.selected);
    detail.hidden = !push;
    element.classList.toggle("opened", Boolean(push));
    if (!push) { shown = null; return; }
    if (shown === `${push.number} ${push.revision}`) return;
    const same = shown?.startsWith(`${push.number} `);
    shown = `${push.number} ${push.revision}`;
    fill(detail, heading(push), h("div", { class: "columns" }, requestOf(push), storyOf(push)));
    if (!same && detail.getBoundingClientRect().top > innerHeight - 80) detail.scrollIntoView({ block: "nearest" });
  }

  function heading(push) {
    return h("header", {},
      h("h2", {}, h("span", { class: "type", data: { type: push.kind } }, push.kind), " ",
        h("span", { class: "became", data: { tone: tone(push) } }, became(push)), push.outcome.title ? `: ${push.outcome.title}` : ""),
      h("div", { class: "actions" },
        button("Copy as curl", () => attempt(async () => copy(await curl(push, store), "curl command"))),
        toDevice(push) ? button("Send again", () => attempt(() => again(push))) : null,
        toDevice(push) ? button("Edit", () => page.show("compose", push)) : null,
        push.payload ? button("Export .apns", () => download(`push-${push.number}.apns`, simctl(push))) : null,
        push.session ? button("This session", () => { wanted.session = push.session; known = ""; paint(); }, { title: push.session }) : null,
        button("×", close, { class: "close", "aria-label": "Close" })));
  }

  async function again(push) {
    const headers = Object.fromEntries(push.headers.filter(([name]) => SENT.test(name) && name !== "apns-id"));
    const sent = await page.send({ token: push.token, realm: push.realm, headers, body: push.body });
    page.select(sent.number);
  }

  function requestOf(push) {
    const headers = push.headers.filter(([name]) => name !== "authorization");
    return h("section", { "aria-label": "Request" }, h("h3", {}, "Request"),
      h("div", { class: "code" },
        h("p", { class: "line" }, h("b", {}, push.method), ` ${push.path}`),
        h("dl", { class: "headers" }, headers.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value, push.repeated.includes(name) ? h("em", {}, " (it came again)") : null)])),
        providerOf(push)),
      h("h3", {}, "Payload ", h("small", {}, sizeOf(push))),
      h("pre", { class: "code", tabindex: "0", "aria-label": "Payload" }, push.payload ? json(push.payload) : push.body || "(empty)"));
  }

  const sizeOf = (push) => `${push.body_size} bytes of ${push.kind === "voip" ? 5120 : 4096}${push.payload ? "" : push.body_size ? ", no JSON object" : ""}`;

  function providerOf(push) {
    const { provider } = push;
    if (!provider) return h("p", { class: "claims", data: { ok: "no" } }, "no provider token");
    const { header, claims } = provider;
    const age = provider.age === null ? "iat ?" : provider.age < -1 ? `iat ${span(provider.age)} ahead` : `iat ${span(provider.age)} before`;
    return h("p", { class: "claims", data: { ok: provider.ok ? "yes" : "no" } },
      h("b", {}, "authorization"), " bearer, ", `${header.alg ?? "no alg"}, kid ${header.kid ?? "?"}, iss ${claims.iss ?? "?"}, ${age} `,
      h("span", { class: "verdict" }, provider.ok ? "✓ valid" : `✕ ${provider.why ?? "refused"}`));
  }

  function storyOf(push) {
    return h("section", { class: "story", "aria-label": "What became of it" }, h("h3", {}, "What became of it"),
      h("ol", { class: "steps" }, push.steps.map((step) => h("li", { data: { tone: step.tone } },
        h("p", { class: "step" }, h("span", { class: "where" }, step.where), " ", h("span", { class: "said" }, step.text, step.title ? [": ", h("strong", {}, step.title)] : null),
          h("span", { class: "after" }, step.at - push.at < 0.0005 ? "" : `+${span(step.at - push.at)}`)),
        step.rule ? h("div", { class: "rule" },
          step.rule.short && !step.text.includes(step.rule.short) ? h("p", { class: "short" }, step.rule.short) : null,
          h("p", {}, step.rule.rule),
          h("p", { class: "source" }, h("span", { class: "sure", data: { sure: step.rule.confidence } }, step.rule.confidence), " ", step.rule.source)) : null))),
      h("dl", { class: "ids" }, [["apns-id", push.apns_id], ["apns-unique-id", push.apns_unique_id], ["session", push.session]]
        .filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, value))])));
  }

  return { element, paint, tick() {}, focusSearch: () => search.focus() };
}

const SENT = /^apns-/;
const toDevice = (push) => push.path.startsWith("/3/device/");
const short = (topic) => (topic ? topic.replace(".push-type.liveactivity", " · LA") : "–");
