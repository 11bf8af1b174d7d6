// The page of the APNs sandbox: one store of what the control API says, one stream of what happens, and the views on both.

import { api, attempt, calm, day, fill, h, serial, time, toast } from "./dom.js";
import { chainView } from "./chain.js";
import { composeView } from "./compose.js";
import { faultsView } from "./faults.js";
import { phoneView } from "./phone.js";
import { providerView } from "./provider.js";
import { pushesView } from "./pushes.js";
import { connectionsView } from "./connections.js";

/** What is known. `ahead` is how far the sandbox's clock is from the browser's, in seconds. */
const store = {
  about: null, clock: { kind: "real", now: 0 }, ahead: 0, devices: [], device: null, pushes: new Map(), revision: 0, clearedAt: -1,
  selected: null, chained: false, screen: null,
  now: () => (store.clock.kind === "real" ? Date.now() / 1000 + store.ahead : store.clock.now),
};
const views = {};
const $ = (id) => document.getElementById(id);

/** Other views call these; each repaints what it changes. */
const page = {
  store,
  show(name, ...given) {
    views[name].open?.(...given);
    if (location.hash !== `#${name}`) history.replaceState(null, "", `#${name}`);
    paintTabs(name);
  },
  select(number) {
    store.selected = number;
    views.pushes.paint();
    views.chain.paint();
  },
  refreshPushes: calm(() => attempt(refreshPushes), 40),
  refreshScreen: calm(() => attempt(refreshScreen), 40),
  refreshClock,
  async send(push) {
    const reply = await api("POST", "/pushes", push);
    await refreshPushes();
    page.refreshScreen();
    return reply.push;
  },
};

const refreshPushes = serial(async () => {
  let reply = await api("GET", `/pushes?since=${store.revision}`);
  if (reply.revision < store.revision || reply.cleared_at !== store.clearedAt) {
    store.pushes.clear();
    store.clearedAt = reply.cleared_at;
    reply = await api("GET", "/pushes");
  }
  for (const push of reply.pushes) store.pushes.set(push.number, push);
  for (const number of store.pushes.keys()) if (number < reply.first) store.pushes.delete(number);
  store.revision = reply.revision;
  views.pushes.paint();
  views.chain.paint();
});

const refreshScreen = serial(async () => {
  if (!store.device) return;
  const offset = -new Date(store.now() * 1000).getTimezoneOffset() * 60;
  store.screen = await api("GET", `/devices/${encodeURIComponent(store.device)}/screen?utc_offset=${offset}`);
  views.phone.paint();
  views.compose.budgets();
});

const refreshDevices = serial(async () => {
  store.devices = (await api("GET", "/devices")).devices;
  if (!store.devices.some((one) => one.name === store.device)) {
    store.device = store.devices[0]?.name ?? null;
    store.screen = null;
  }
  views.phone.paint();
});

async function refreshClock() {
  store.clock = (await api("GET", "/clock")).clock;
  store.ahead = store.clock.now - Date.now() / 1000;
  paintClock();
}

function paintClock() {
  const now = store.now();
  $("now").textContent = `${time(now)}${store.clock.kind === "virtual" ? " virtual" : ""}`;
  $("now").title = `${day(now)}, ${store.clock.kind} time`;
}

// --- tabs ---------------------------------------------------------------------------------------------------------

const TABS = [["pushes", "Pushes"], ["compose", "Compose"], ["provider", "Provider"], ["faults", "Faults"], ["connections", "Clock & connections"], ["chain", "Chain"]];

function paintTabs(current) {
  const names = TABS.filter(([name]) => name !== "chain" || store.chained);
  const before = document.activeElement?.id;
  fill($("tabs"), names.map(([name, text]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, class: name === "chain" ? "tab tab-chain" : "tab", "aria-controls": "panel",
    "aria-selected": String(name === current), tabindex: name === current ? "0" : "-1",
    on: { click: () => page.show(name), keydown: (event) => moveTab(event, names, name) },
  }, text)));
  if (before?.startsWith("tab-")) $(before)?.focus();
  $("panel").setAttribute("role", "tabpanel");
  $("panel").setAttribute("aria-labelledby", `tab-${current}`);
  $("panel").removeAttribute("aria-label");
  if ($("panel").dataset.view === current) return;
  $("panel").dataset.view = current;
  fill($("panel"), current === "chain" ? views.chain.copy : views[current].element);
}

function moveTab(event, names, name) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const at = names.findIndex(([one]) => one === name);
  const [next] = names[(at + step + names.length) % names.length];
  page.show(next);
  $(`tab-${next}`).focus();
}

// --- what happens -------------------------------------------------------------------------------------------------

const CHAIN = new Set(["opencode", "bridge", "relay"]);
const CONNECTION = /^(connection|stream|protocol)/;

function happened(entry) {
  if (entry.where === "apns" || entry.where === "phone") page.refreshPushes();
  if (entry.where === "phone") page.refreshScreen();
  if (entry.where === "world") refreshDevicesSoon(); // and then the screen: its phone may be gone
  if (entry.where === "apns" && (CONNECTION.test(entry.what) || $("panel").dataset.view === "connections")) views.connections.refresh();
  chained([entry]);
}

const refreshDevicesSoon = calm(() => attempt(() => refreshDevices().then(refreshScreen)), 60);

/** In a world with a bridge and a relay there is a further column: the way from OpenCode to the phone. */
function chained(entries) {
  if (!store.chained && entries.some((entry) => CHAIN.has(entry.where))) {
    store.chained = true;
    document.body.classList.add("chained");
    $("chain").hidden = false;
    fill($("chain"), views.chain.element);
    paintTabs($("panel").dataset.view);
  }
  views.chain.add(entries);
}

function listen() {
  const stream = new EventSource("/control/events");
  stream.addEventListener("open", () => {
    paintLive(true);
    attempt(load);
  });
  stream.addEventListener("error", () => {
    paintLive(false);
    stream.close(); // and not to be tried by the browser, which waits for seconds
    setTimeout(listen, 800);
  });
  stream.addEventListener("message", (event) => happened(JSON.parse(event.data)));
}

function paintLive(on) {
  $("live").dataset.on = on ? "yes" : "no";
  $("live").textContent = on ? "live" : "the sandbox does not answer";
}

/** Everything anew: at the beginning, and after the stream was interrupted. */
async function load() {
  store.clearedAt = -1; // so that the list begins anew: the sandbox may be another one
  const first = store.screen === null;
  await Promise.all([first ? null : loadAbout(), refreshClock(), refreshDevices()]);
  await Promise.all([refreshPushes(), refreshScreen(), views.faults.refresh(), views.connections.refresh(), loadChain()]);
  if (first) views[$("panel").dataset.view].open?.();
}

async function loadChain() {
  const entries = (await api("GET", "/journal?limit=4000")).entries;
  views.chain.clear();
  chained(entries);
}

async function loadAbout() {
  const [about, { keys }] = await Promise.all([api("GET", ""), api("GET", "/keys")]);
  Object.assign(store, { about, keys });
  const ports = Object.entries(store.about.apns).filter(([name]) => !name.startsWith("manage"));
  $("ports").textContent = ports.map(([name, address]) => `${name} ${address}`).join(" · ");
}

async function start() {
  await loadAbout();
  Object.assign(views, {
    phone: phoneView(page), chain: chainView(page), pushes: pushesView(page), compose: composeView(page), provider: providerView(page),
    faults: faultsView(page), connections: connectionsView(page),
  });
  fill($("phone"), views.phone.element);
  const wanted = location.hash.slice(1);
  page.show(TABS.some(([name]) => name === wanted && name !== "chain") ? wanted : "pushes");
  listen();
  setInterval(tick, 1000);
}

/** A second has passed: ages, timers and the clock move on; the picture only while somebody looks. */
function tick() {
  paintClock();
  views.pushes.tick();
  if (document.hidden || store.clock.kind === "virtual" || $("live").dataset.on === "no") return;
  const second = Math.floor(store.now());
  if (store.screen?.activities.length || second % 15 === 0) page.refreshScreen();
  if (second % 10 === 0) page.refreshPushes();
}

window.addEventListener("hashchange", () => {
  const name = location.hash.slice(1);
  if (TABS.some(([one]) => one === name) && (name !== "chain" || store.chained)) page.show(name);
});
window.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.nodeName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    page.show("pushes");
    views.pushes.focusSearch();
  }
});

start().catch((error) => toast(error.message, "bad"));
