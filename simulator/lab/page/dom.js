// Elements, requests and times. Every text goes in as text: nothing here, or in a module that uses this, makes HTML of a string.

/** An element. `class`, `data`, `aria`, `on` are objects or strings; other properties are attributes; null children are left out. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces all that is in an element. */
export const fill = (element, ...children) =>
  element.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));

/** An SVG of the server as an element of this document. */
export function picture(text) {
  const found = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  return found.nodeName === "svg" ? document.importNode(found, true) : h("span");
}

/** Calls the control API; what comes back without the envelope. Throws the API's own sentence. */
export async function api(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let reply;
  try {
    reply = await (await fetch("/control" + path, options)).json();
  } catch {
    throw new Error("The sandbox does not answer: is it still running?");
  }
  if (!reply.ok) throw new Error(reply.error);
  return reply;
}

/** Does it, and says in a corner of the page what went wrong. */
export async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    toast(error.message, "bad");
    return null;
  }
}

export function toast(text, tone = "plain") {
  const shown = h("p", { class: "toast", data: { tone } }, text);
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.remove(), tone === "bad" ? 8000 : 3000);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { value: text, class: "off-screen", "aria-hidden": "true" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast(`${what} copied`);
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const pad = (number, places = 2) => String(number).padStart(places, "0");

/** 04:29:14 in the browser's zone, of UNIX seconds. */
export function time(at, millis = false) {
  const date = new Date(at * 1000);
  const whole = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return millis ? `${whole}.${pad(date.getMilliseconds(), 3)}` : whole;
}

export function day(at) {
  return new Date(at * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
}

/** "2 min", "3 h": how long so many seconds are. */
export function span(seconds) {
  const size = Math.abs(seconds);
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]])
    if (size >= unit) return `${Math.round(size / unit)} ${name}`;
  return size < 0.0005 ? "0 ms" : `${Math.round(size * 1000) || 1} ms`;
}

export const ending = (token) => (token && token.length > 8 ? "…" + token.slice(-8) : token || "–");

/** Calls at most once in so many milliseconds, and always after the last wish. */
export function calm(act, milliseconds) {
  let waiting = null;
  return () => {
    if (waiting !== null) return;
    waiting = setTimeout(() => {
      waiting = null;
      act();
    }, milliseconds);
  };
}

/** Runs one at a time: who calls meanwhile waits for one more run, so that an older reply never comes after a newer one. */
export function serial(act) {
  let running = null, again = false;
  return function run() {
    again = true;
    running ??= (async () => {
      while (again) {
        again = false;
        await act();
      }
    })().finally(() => { running = null; });
    return running;
  };
}

/** JSON as coloured text. */
export function json(value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const parts = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/);
  return parts.map((part, index) => (index % 2 ? h("span", { class: kind(part) }, part) : part));
}

function kind(part) {
  if (part.endsWith(":")) return "j-key";
  if (part.startsWith('"')) return "j-text";
  return /^[tfn]/.test(part) ? "j-word" : "j-number";
}

/** A button. */
export const button = (text, act, properties = {}) => h("button", { type: "button", ...properties, on: { click: act } }, text);

/** A label above a field, and a hint below it. */
let fields = 0;
export function field(label, input, hint = null) {
  const id = input.id || `field-${++fields}`;
  input.id = id;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" }, h("label", { for: id }, label), input, hint && h("p", { class: "hint", id: `${id}-hint` }, hint));
}

export const select = (choices, value, act = () => {}) =>
  h("select", { on: { change: (event) => act(event.target.value) } },
    choices.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
