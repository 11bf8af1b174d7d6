// A push written here: an alert, or the start, update or end of a Live Activity, with its bytes and the phone's budgets.

import { attempt, button, field, fill, h, select, span } from "./dom.js";

const KINDS = [["alert", "Alert"], ["start", "Card: start"], ["update", "Card: update"], ["end", "Card: end"], ["raw", "As JSON"]];
const LEVELS = ["active", "passive", "time-sensitive", "critical"].map((one) => [one, one]);
const LIMIT = 4096;

/** What a field of that name begins with, so that a card can be started at once. */
const FIRST = {
  status: "working", sessionTitle: "Fix the login bug", lastMessage: "Running the tests", name: "SessionActivity",
  props: '{"status":"working","sessionTitle":"Fix the login bug","lastMessage":"Running the tests"}', sessionId: "ses_composed", url: "",
};
const STATUSES = ["working", "retry", "permission", "complete", "error"];

export function composeView(page) {
  const { store } = page;
  const inputs = {};
  let kind = "alert", byHand = false, drawnOn = "";
  const tabs = h("div", { class: "segments", role: "radiogroup", "aria-label": "What to send" }, KINDS.map(([name, text]) =>
    h("label", {}, h("input", { type: "radio", name: "kind", value: name, checked: name === kind, on: { change: () => choose(name) } }), h("span", {}, text))));
  const form = h("div", { class: "form" });
  const budget = h("div", { class: "budgets" });
  const token = h("input", { type: "text", spellcheck: "false", autocomplete: "off", class: "mono" });
  const headers = h("textarea", { rows: "5", spellcheck: "false", class: "mono", on: { input: touched } });
  const payload = h("textarea", { rows: "14", spellcheck: "false", class: "mono", on: { input: touched } });
  const bar = h("div", { class: "meter-bar" });
  const bytes = h("div", { class: "meter", role: "meter", "aria-label": "Bytes of the payload", "aria-valuemin": "0", "aria-valuemax": String(LIMIT) }, bar);
  const said = h("p", { class: "meter-text" });
  const hand = h("p", { class: "hint", hidden: true }, "Changed by hand. ", button("Back to the form", () => { byHand = false; write(); }, { class: "small" }));
  const result = h("p", { class: "result", role: "status" });
  const element = h("div", { class: "compose" },
    h("div", { class: "card" }, h("h2", {}, "Compose"), tabs, form, budget,
      h("div", { class: "actions" }, button("Send", () => attempt(send), { class: "primary", id: "send" })), result),
    h("div", { class: "card" }, h("h2", {}, "What is sent"), field("Device token", token), field("Headers", headers, "One a line. The provider token is signed when it is sent, unless authorization stands here."),
      field("Payload", payload), bytes, said, hand));

  function open(push) {
    if (!push) { paint(); return; }
    kind = "raw";
    tabs.querySelector('input[value="raw"]').checked = true;
    paint();
    byHand = true;
    token.value = push.token;
    headers.value = push.headers.filter(([name]) => /^apns-/.test(name) && name !== "apns-id").map(([name, value]) => `${name}: ${value}`).join("\n");
    payload.value = push.payload ? JSON.stringify(push.payload, null, 2) : push.body;
    count();
  }

  function choose(name) {
    kind = name;
    byHand = false;
    paint();
  }

  // --- the form ---------------------------------------------------------------------------------------------------

  function paint() {
    if (!store.screen) return fill(form, h("p", { class: "empty" }, "There is no phone to push to. Add one by POST /control/devices."));
    const { activities, types, device } = store.screen;
    drawnOn = device.name;
    for (const name of Object.keys(inputs)) delete inputs[name];
    fill(form, kind === "alert" ? alertForm() : kind === "start" ? startForm(types) : kind === "raw" ? rawForm() : cardForm(activities, types));
    budgets();
    write();
  }

  const put = (name, label, input, hint) => {
    inputs[name] = input;
    input.addEventListener("input", write);
    input.addEventListener("change", write);
    input.dataset.name = name;
    return field(label, input, hint);
  };
  const text = (value = "", rest = {}) => h("input", { type: "text", value, autocomplete: "off", ...rest });
  const number = (value, rest = {}) => h("input", { type: "number", value, ...rest });
  const check = (name, label, on) => {
    const input = h("input", { type: "checkbox", checked: on, on: { change: write } });
    inputs[name] = input;
    input.dataset.name = name;
    return h("label", { class: "check" }, input, " ", label);
  };

  const alertForm = () => [
    put("title", "Title", text("Fix the login bug")),
    put("body", "Text", h("textarea", { rows: "2", value: "All 214 tests pass." })),
    h("div", { class: "pair" }, put("level", "Interruption level", select(LEVELS, "active")), put("priority", "Priority", select([["10", "10, at once"], ["5", "5, saves power"], ["1", "1, never wakes"]], "10"))),
    h("div", { class: "pair" }, put("thread", "Thread", text("", { placeholder: "thread-id" })), put("collapse", "Collapse id", text("", { placeholder: "replaces the one with the same" }))),
    h("div", { class: "checks" }, check("sound", "sound", true), check("once", "do not store (expiration 0)", false)),
  ];

  function startForm(types) {
    const names = types.map((one) => [one.name, one.name]);
    const chosen = types[0];
    const parts = h("div", { class: "form" });
    const type = select(names, chosen?.name, (value) => { contents(types.find((one) => one.name === value)); write(); });
    const contents = (one) => fill(parts, kinds("attributes", one.attributes, {}), kinds("state", one.content_state, {}));
    contents(chosen);
    return [put("type", "Attributes type", type), parts,
      h("div", { class: "pair" }, put("alertTitle", "Alert title", text("Fix the login bug"), "A start without an alert shows nothing."), put("alertBody", "Alert text", text("Started"))),
      h("div", { class: "pair" }, put("stale", "Stale after, minutes", number("", { min: "0", placeholder: "never" })), put("relevance", "Relevance score", number("", { placeholder: "0", step: "any" }))),
      h("div", { class: "checks" }, check("inputToken", "input-push-token: ask for an update token", true))];
  }

  const option = (one) => [one.id, `${one.id}: ${one.drawn.sessionTitle ?? one.attributes_type}`];
  const pushable = (activities) => activities.filter((one) => one.token);

  /** Cards come and go while somebody types: what is typed stays, unless its card has gone. */
  function follow(activities) {
    const running = pushable(activities);
    const chosen = inputs.activity?.value;
    if (!running.some((one) => one.id === chosen)) return chosen !== undefined || running.length ? paint() : undefined;
    const texts = running.map(option);
    if (JSON.stringify([...inputs.activity.options].map((one) => [one.value, one.text])) === JSON.stringify(texts)) return;
    fill(inputs.activity, texts.map(([name, text]) => h("option", { value: name, selected: name === chosen }, text)));
  }

  function cardForm(activities, types) {
    const running = pushable(activities);
    if (!running.length) return [h("p", { class: "empty" }, "No Live Activity with an update token runs on this phone. ", button("Start one", () => { tabs.querySelector('input[value="start"]').click(); }))];
    const parts = h("div", { class: "form" });
    const contents = (id) => {
      const one = running.find((each) => each.id === id);
      const type = types.find((each) => each.name === one.attributes_type);
      const now = kind === "end" && "status" in one.content_state ? { ...one.content_state, status: "complete" } : one.content_state;
      fill(parts, kinds("state", type?.content_state ?? {}, now));
      token.value = one.token;
    };
    const last = running[running.length - 1].id;
    const which = select(running.map(option), last, (id) => { contents(id); budgets(); write(); });
    const rows = [put("activity", "Card", which), parts,
      h("div", { class: "pair" }, put("alertTitle", "Alert title", text("", { placeholder: "lights the screen up" })), put("alertBody", "Alert text", text("")))];
    contents(last);
    rows.push(kind === "end"
      ? put("dismiss", "Leaves the lock screen", select([["", "after 4 hours at the latest"], ["now", "at once"], ["15", "in 15 minutes"], ["60", "in an hour"]], ""))
      : h("div", { class: "pair" }, put("stale", "Stale after, minutes", number("", { min: "0", placeholder: "never" })), put("relevance", "Relevance score", number("", { placeholder: "as it is", step: "any" }))));
    rows.push(put("priority", "Priority", select([["10", "10, at once, counts against the budget"], ["5", "5, when the phone likes"]], "10")));
    return rows;
  }

  const rawForm = () => [h("p", { class: "hint" }, "Token, headers and payload beside this are sent as they stand, also what APNs will refuse.")];

  /** A field for each of a Swift type: text, number or check box; of everything else its JSON. */
  function kinds(group, wanted, now) {
    return h("fieldset", {}, h("legend", {}, group === "state" ? "content-state" : "attributes"), Object.entries(wanted).map(([name, type]) => {
      const optional = name.endsWith("?") || (typeof type === "string" && type.endsWith("?"));
      const key = name.replace(/\?$/, "");
      const value = now[key] ?? FIRST[key] ?? "";
      const base = typeof type === "string" ? type.replace(/\?$/, "") : "json";
      const plain = ["string", "url", "uuid", "data", "date-iso8601"].includes(base);
      const shown = plain ? String(now[key] === null ? "" : value) : JSON.stringify(now[key] ?? (base === "bool" ? false : ["int", "uint", "double", "date"].includes(base) ? 0 : null));
      const input = text(shown, { placeholder: typeof type === "string" ? type : "JSON" });
      if (key === "status" && group === "state") input.setAttribute("list", "statuses");
      input.dataset.group = group;
      input.dataset.key = key;
      input.dataset.plain = plain ? "yes" : "no";
      input.dataset.optional = optional ? "yes" : "no";
      input.addEventListener("input", write);
      return field(`${key}${optional ? " (optional)" : ""}`, input);
    }), h("datalist", { id: "statuses" }, STATUSES.map((one) => h("option", { value: one }))));
  }

  // --- what is sent -----------------------------------------------------------------------------------------------

  const read = (name) => inputs[name]?.value ?? "";
  const group = (name) => {
    const found = {};
    for (const input of form.querySelectorAll(`[data-group="${name}"]`)) {
      if (input.value === "" && input.dataset.optional === "yes") continue;
      found[input.dataset.key] = input.dataset.plain === "yes" ? input.value : parsed(input.value);
    }
    return found;
  };
  const parsed = (value) => { try { return JSON.parse(value); } catch { return value; } };

  function write() {
    if (byHand || kind === "raw" || !store.screen) return count();
    const { device } = store.screen;
    const now = Math.floor(store.now());
    const aps = {};
    const lines = [];
    if (kind === "alert") {
      aps.alert = { title: read("title"), body: read("body") };
      if (inputs.sound?.checked) aps.sound = "default";
      if (read("level") !== "active") aps["interruption-level"] = read("level");
      if (read("thread")) aps["thread-id"] = read("thread");
      token.value = device.tokens.alert ?? "";
      lines.push(`apns-topic: ${device.bundle_id}`, "apns-push-type: alert", `apns-priority: ${read("priority")}`);
      if (read("collapse")) lines.push(`apns-collapse-id: ${read("collapse")}`);
      if (inputs.once?.checked) lines.push("apns-expiration: 0");
    } else {
      Object.assign(aps, { timestamp: now, event: kind, "content-state": group("state") });
      if (kind === "start") {
        Object.assign(aps, { "attributes-type": read("type"), attributes: group("attributes") });
        if (inputs.inputToken?.checked) aps["input-push-token"] = 1;
        token.value = device.tokens["push-to-start"] ?? "";
      }
      if (read("alertTitle") || read("alertBody")) aps.alert = { title: read("alertTitle"), body: read("alertBody") };
      if (read("stale")) aps["stale-date"] = now + Math.round(60 * Number(read("stale")));
      if (read("relevance")) aps["relevance-score"] = Number(read("relevance"));
      if (read("dismiss")) aps["dismissal-date"] = read("dismiss") === "now" ? now - 1 : now + 60 * Number(read("dismiss"));
      const card = store.screen.activities.find((one) => one.id === read("activity"));
      if (card) token.value = card.token;
      lines.push(`apns-topic: ${device.bundle_id}.push-type.liveactivity`, "apns-push-type: liveactivity", `apns-priority: ${read("priority") || 10}`);
    }
    headers.value = lines.join("\n");
    payload.value = JSON.stringify({ aps }, null, 2);
    count();
  }

  function touched() {
    byHand = kind !== "raw";
    count();
  }

  /** What goes out: compact JSON, or the text as it is where it is none. */
  const body = () => { try { return JSON.stringify(JSON.parse(payload.value)); } catch { return payload.value; } };

  function count() {
    const size = new TextEncoder().encode(body()).length;
    bar.style.width = `${Math.min(100, (100 * size) / LIMIT)}%`;
    bytes.dataset.over = size > LIMIT ? "yes" : "no";
    bytes.setAttribute("aria-valuenow", String(Math.min(size, LIMIT)));
    bytes.setAttribute("aria-valuetext", `${size} of ${LIMIT} bytes`);
    let note = "";
    try { JSON.parse(payload.value); } catch { note = ", and it is no JSON: it is sent as it stands"; }
    said.textContent = `${size} of ${LIMIT} bytes${size > LIMIT ? ": APNs will answer 413 PayloadTooLarge" : ""}${note}`;
    hand.hidden = !byHand || kind === "raw";
  }

  function budgets() {
    if (!store.screen) return;
    if (drawnOn !== store.screen.device.name && kind !== "raw") return paint();
    const { budgets: known, activities } = store.screen;
    if ((kind === "update" || kind === "end") && !byHand) follow(activities);
    const chosen = kind === "start" ? "start" : kind === "update" || kind === "end" ? read("activity") : null;
    fill(budget, chosen && chosen in known ? meterOf(chosen, known[chosen]) : null);
  }

  function meterOf(name, one) {
    const what = name === "start" ? "starts by push" : "updates of priority 10";
    if (one === null) return h("p", { class: "meter-text" }, `No limit on ${what} on this phone (profile lenient).`);
    const left = Math.max(0, one.left);
    const inside = h("div", { class: "meter-bar" });
    inside.style.width = `${(100 * left) / one.of}%`;
    return [h("div", { class: "meter", role: "meter", "aria-label": `Budget: ${what}`, "aria-valuemin": "0", "aria-valuemax": String(one.of), "aria-valuenow": String(left), data: { over: left ? "no" : "yes" } }, inside),
      h("p", { class: "meter-text" }, `${left} of ${one.of} ${what} left${one.refills_at ? `, more in ${span(one.refills_at - store.now())}` : ""}`)];
  }

  async function send() {
    if (!store.screen) throw new Error("There is no phone to push to.");
    if (!byHand) write();
    const lines = headers.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const fields = Object.fromEntries(lines.map((line) => { const at = line.indexOf(":", 1); return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()]; }));
    const push = await page.send({ token: token.value.trim(), realm: store.screen.device.realm, headers: fields, body: body() });
    result.dataset.tone = push.status === 200 ? push.outcome.tone : "bad";
    fill(result, `${push.status ?? "no answer"}: ${push.outcome.text} `, button("Open it", () => { page.show("pushes"); page.select(push.number); }, { class: "small" }));
    if (kind === "start" && push.outcome.state === "started") page.refreshScreen();
  }

  return { element, open, budgets };
}
