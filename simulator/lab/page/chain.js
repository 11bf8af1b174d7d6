// The chain: an event of OpenCode, what the bridge made of it, what the relay sent, and what came of that, in one card for each id.

import { calm, fill, h, time } from "./dom.js";

const MOST = 80;
const NAMES = { opencode: "OpenCode", bridge: "bridge", relay: "relay", apns: "APNs", phone: "phone" };
const CAUSE_SECONDS = 20;

export function chainView(page) {
  const { store } = page;
  const views = [make(), make()];
  const [column, tab] = views;
  let threads = new Map(), byApns = new Map(), orphans = new Map(), events = [];

  function make() {
    const list = h("ol", { class: "threads" });
    const element = h("div", { class: "chain-inside" }, h("h2", {}, "From OpenCode to the screen"), h("p", { class: "hint" }, "Each card follows one event by its id."), list);
    return { element, list };
  }

  function clear() {
    threads = new Map(); byApns = new Map(); orphans = new Map(); events = [];
    paint();
  }

  function add(entries) {
    let changed = false;
    for (const entry of entries) changed = take(entry) || changed;
    if (changed) paintSoon();
  }

  function take(entry) {
    const { where, what, detail } = entry;
    if (where === "opencode" && what === "event") {
      events.push(entry);
      if (events.length > 400) events.shift();
      return false;
    }
    if (where === "bridge" || where === "relay") {
      if (!detail.eventID) return false;
      const thread = threadOf(entry);
      if (where === "relay" && what === "delivery" && detail.apnsID) {
        const id = detail.apnsID.toLowerCase();
        byApns.set(id, thread);
        thread.apns.add(id);
        for (const late of orphans.get(id) ?? []) thread.entries.push(late);
        orphans.delete(id);
      }
      thread.entries.push(entry);
      return true;
    }
    const id = String(detail.apns_id ?? detail.apnsID ?? "").toLowerCase();
    if (!id || (where !== "apns" && where !== "phone")) return false;
    const thread = byApns.get(id);
    if (thread) { thread.entries.push(entry); return true; }
    if (orphans.size > 500) orphans.delete(orphans.keys().next().value);
    orphans.set(id, [...(orphans.get(id) ?? []), entry]);
    return false;
  }

  function threadOf(entry) {
    const { eventID, eventType, sessionID } = entry.detail;
    let thread = threads.get(eventID);
    if (!thread) {
      thread = { id: eventID, type: eventType ?? "", session: sessionID, at: entry.at, entries: [], apns: new Set(), cause: null };
      threads.set(eventID, thread);
      if (threads.size > MOST) threads.delete(threads.keys().next().value);
    }
    if (eventType) thread.type = eventType;
    if (!thread.session && sessionID) thread.session = sessionID;
    if (!thread.cause || entry.at < thread.at) {
      thread.at = Math.min(thread.at, entry.at);
      thread.cause = causeOf(thread) ?? thread.cause;
    }
    return thread;
  }

  const causeOf = ({ session, at }) => events.findLast((one) => (one.detail.root === session || one.detail.sessionID === session) && one.at <= at + 0.002 && at - one.at < CAUSE_SECONDS);

  /** The stations of a card, each with what happened there. */
  function stations(thread) {
    const of = (where, what) => thread.entries.filter((one) => one.where === where && (!what || one.what === what));
    const found = [];
    if (thread.cause) found.push(["opencode", thread.cause.at, thread.cause.detail.type]);
    found.push(["bridge", thread.at, thread.type]);
    const intake = of("relay", "event")[0];
    const sent = of("relay", "delivery");
    if (intake || sent.length) found.push(["relay", (intake ?? sent[0]).at, sent.length ? sent.map((one) => `${one.detail.pushType ?? "push"} ${one.detail.status}`).join(", ") : intake.detail.deliveries === "0" ? "keeps it for the card" : "sends"]);
    for (const one of of("apns", "push")) found.push(["apns", one.at, `${one.detail.push_type ?? "alert"} ${one.detail.status ?? "no answer"}${one.detail.reason ? ` ${one.detail.reason}` : ""}`, one.detail.status !== 200]);
    for (const one of of("phone")) if (SAID[one.what]) found.push(["phone", one.at, SAID[one.what](one.detail), one.what === "dropped"]);
    return found;
  }

  const paintSoon = calm(paint, 50);

  function paint() {
    const selected = store.pushes.get(store.selected)?.apns_id?.toLowerCase();
    const all = [...threads.values()].reverse().sort((one, other) => other.at - one.at);
    for (const view of views) {
      const focused = view.list.contains(document.activeElement) ? document.activeElement.dataset.thread : null;
      view.element.classList.toggle("following", all.some((thread) => thread.apns.has(selected)));
      fill(view.list, all.map((thread) => card(thread, thread.apns.has(selected))));
      if (focused) view.list.querySelector(`[data-thread="${CSS.escape(focused)}"]`)?.focus();
      if (!all.length) fill(view.list, h("li", { class: "hint" }, "Nothing yet."));
    }
  }

  function card(thread, followed) {
    return h("li", { class: "thread", data: { followed: followed ? "yes" : "no" } },
      h("button", { type: "button", "aria-pressed": String(followed), data: { thread: thread.id }, title: `event ${thread.id}`, on: { click: () => follow(thread, followed) } },
        h("span", { class: "thread-head" }, h("time", {}, time(thread.at)), " ", h("strong", {}, thread.type || "event"), " ", h("code", {}, thread.id.slice(0, 8))),
        stations(thread).map(([where, at, text, bad]) => h("span", { class: "station", data: { where, bad: bad ? "yes" : "no" } },
          h("span", { class: "who" }, NAMES[where]), h("span", { class: "said" }, text), h("span", { class: "after" }, at - thread.at > 0.0005 ? `+${Math.round(1000 * (at - thread.at))} ms` : "")))));
  }

  /** Its newest push opens, and the card and the push point at one another. */
  function follow(thread, followed) {
    const push = followed ? null : [...store.pushes.values()].findLast((one) => thread.apns.has(one.apns_id?.toLowerCase()));
    if (push) page.show("pushes");
    page.select(push?.number ?? null);
  }

  return { element: column.element, copy: tab.element, add, clear, paint, open: paint };
}

const state = (detail) => [detail.contentState?.status, detail.contentState?.lastMessage].filter(Boolean).join(", ");
const SAID = {
  shown: (detail) => `shows “${detail.title}”`,
  replaced: (detail) => `shows “${detail.title}” again`,
  dropped: (detail) => `drops it: ${detail.why}`,
  started: (detail) => `card starts: ${state(detail)}`,
  updated: (detail) => `card: ${state(detail)}`,
  ended: (detail) => `card ends: ${state(detail)}`,
  deferred: (detail) => `card waits: ${detail.why}`,
};
