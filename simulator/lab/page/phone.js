// The phone: its lock screen and its Dynamic Island as the notebooks draw them, what can be tapped on them, and its switches.

import { api, attempt, button, copy, ending, fill, h, picture, select } from "./dom.js";

/** Name in the API, the words on the switch, and what counts as on. */
const SWITCHES = [
  ["online", "online", true, false],
  ["screen", "screen on", "on", "off"],
  ["low_power", "low power", true, false],
  ["notifications", "notifications", true, false],
  ["live_activities", "Live Activities", true, false],
  ["app_installed", "app installed", true, false],
];

export function phoneView(page) {
  const { store } = page;
  const which = h("div", { class: "which" });
  const glass = h("div", { class: "glass" });
  const spots = h("div", { class: "spots", role: "group", "aria-label": "On the lock screen" });
  const frame = h("div", { class: "frame" }, glass, spots);
  const island = h("div", { class: "island" });
  const switches = h("div", { class: "switches", role: "group", "aria-label": "What the person does to the phone" });
  const more = h("div", { class: "more" });
  const element = h("div", { class: "phone-inside" }, which, frame, island, switches, more);
  let drawn = "", drawnIsland = "", placed = "", tokens = "";

  const path = () => `/devices/${encodeURIComponent(store.device)}`;
  const act = (method, rest, body) =>
    attempt(async () => {
      await api(method, path() + rest, body);
      page.refreshScreen();
    });

  function paintWhich() {
    which.hidden = store.devices.length < 2;
    if (which.hidden || which.dataset.names === JSON.stringify(store.devices.map((one) => one.name))) return;
    which.dataset.names = JSON.stringify(store.devices.map((one) => one.name));
    const chosen = select(store.devices.map((one) => [one.name, one.name]), store.device, (name) => {
      store.device = name;
      page.refreshScreen();
    });
    chosen.setAttribute("aria-label", "Phone");
    fill(which, chosen);
  }

  function paint() {
    paintWhich();
    if (!store.screen) return fill(glass, h("p", { class: "hint" }, store.device ? "…" : "There is no phone. Add one by POST /control/devices."));
    const { screen, device } = store.screen;
    if (screen.lock_screen !== drawn) {
      drawn = screen.lock_screen;
      fill(glass, picture(drawn));
    }
    if (screen.island !== drawnIsland) {
      drawnIsland = screen.island;
      island.hidden = !screen.island;
      fill(island, screen.island ? picture(screen.island) : null);
    }
    frame.dataset.screen = device.state.screen;
    paintSpots(screen);
    paintSwitches(device.state);
    paintTokens(device);
  }

  /** A button over each card of the picture; one that did not change keeps its focus. */
  function paintSpots(screen) {
    const wanted = JSON.stringify(screen.cards);
    if (wanted === placed) return;
    placed = wanted;
    const focused = document.activeElement?.dataset?.spot;
    fill(spots, screen.cards.map((card, index) => spot(card, screen, index)));
    if (focused) [...spots.querySelectorAll("button")].find((one) => one.dataset.spot === focused)?.focus();
  }

  function spot(card, screen, index) {
    const id = encodeURIComponent(card.id);
    const isCard = card.kind === "activity";
    const tap = () => act("POST", isCard ? `/activities/${id}/tap` : `/notifications/${id}/tap`);
    const swipe = () => (isCard ? act("POST", `/activities/${id}/swipe`) : act("DELETE", `/notifications/${id}`));
    const place = h("div", { class: "spot" },
      button("", tap, { class: "tap", "aria-label": `Tap: ${card.label}`, title: isCard ? "Tap: the app opens" : "Tap: the app opens its link", data: { spot: `tap ${card.id}` } }),
      button("×", swipe, { class: "swipe", "aria-label": `Swipe away: ${card.label}`, title: "Swipe away", data: { spot: `swipe ${card.id}` } }));
    const share = (part, whole) => `${(100 * part) / whole}%`;
    place.style.left = share(card.x, screen.width);
    place.style.top = share(card.y, screen.height);
    place.style.width = share(card.width, screen.width);
    place.style.height = share(card.height, screen.height);
    place.dataset.index = index;
    return place;
  }

  const toggles = new Map();
  function paintSwitches(state) {
    if (!toggles.size)
      for (const [key, words, on, off] of SWITCHES) {
        const toggle = button(words, () => act("PATCH", "", { [key]: toggle.getAttribute("aria-checked") === "true" ? off : on }),
          { role: "switch", class: "switch", data: { key } });
        toggles.set(key, toggle);
        switches.append(toggle);
      }
    for (const [key, , on] of SWITCHES) toggles.get(key).setAttribute("aria-checked", String(state[key] === on));
  }

  function paintTokens(device) {
    const wanted = JSON.stringify([device.name, device.tokens]);
    if (wanted === tokens) return;
    tokens = wanted;
    fill(more,
      h("details", {}, h("summary", {}, "Device tokens"),
        h("dl", { class: "tokens" }, Object.entries(device.tokens).map(([kind, token]) => [
          h("dt", {}, kind),
          h("dd", {}, h("code", {}, ending(token)), button("Copy", () => copy(token, `${kind} token`), { class: "small", "aria-label": `Copy the ${kind} token` })),
        ]))),
      h("p", { class: "hint" }, `${device.name} · ${device.bundle_id} · ${device.realm} · iOS ${device.state.ios}`));
  }

  return { element, paint };
}
