import { el, setText } from "../view/dom.js";
import { exactText } from "../view/time.js";
import { Refused } from "../net/api.js";

/**
 * The devices on which the account is signed in, and the buttons that sign them out.
 *
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {{id: string, device: string, address: string, created_at: string, refreshed_at: string, current: boolean}} Device
 */

// The first that fits: browsers also name those that they are built like. iOS is before macOS, Android before Linux.
const BROWSERS = [
  ["Edge", /\bEdg(A|iOS)?\//],
  ["Opera", /\b(OPR|OPT|OPiOS)\//],
  ["Samsung Internet", /\bSamsungBrowser\//],
  ["Vivaldi", /\bVivaldi\//],
  ["Firefox", /\b(Firefox|FxiOS)\//],
  ["Chrome", /(Chrome|Chromium|CriOS)\//],
  ["Safari", /\bSafari\//],
];
const SYSTEMS = [
  ["iPhone", /\biPhone\b/],
  ["iPad", /\biPad\b/],
  ["Android", /\bAndroid\b/],
  ["Windows", /\bWindows\b/],
  ["macOS", /\bMac OS X\b/],
  ["ChromeOS", /\bCrOS\b/],
  ["Linux", /\bLinux\b/],
];

/**
 * The name of a device as its user knows it.
 * @param {string} agent the `User-Agent` of its browser or program, perhaps cut
 * @returns {string} such as "Firefox on Linux"
 */
export function deviceName(agent) {
  const [browser, system] = [BROWSERS, SYSTEMS].map((known) => /** @type {string | undefined} */ (known.find(([, form]) => /** @type {RegExp} */ (form).test(agent))?.[0]));
  if (!browser) return agent.split(/[\s/]/, 1)[0] || "Unknown device"; // a program: its first word is its name
  return system ? `${browser} on ${system}` : browser;
}

/** @param {Pages} pages @returns {HTMLElement[]} */
export function devices({ api }) {
  const list = el("ul", { class: "devices", "aria-label": "Signed-in devices" });
  const said = el("p", { class: "said", role: "status", tabindex: "-1" });
  const others = el("button", { type: "button", class: "link", hidden: true }, "Sign out all other devices");
  others.addEventListener("click", () => act("DELETE", "me/sessions", "All other devices were signed out."));

  /** @param {"GET"|"DELETE"} method @param {string} path @param {string} done */
  async function act(method, path, done) {
    try {
      if (method !== "GET") await api.ask(method, path);
      const { sessions } = await api.ask("GET", "me/sessions");
      draw(sessions);
      setText(said, done);
      if (done) said.focus(); // the button that had the focus is gone
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setText(said, error.message);
    }
  }

  /** @param {Device[]} found */
  function draw(found) {
    others.hidden = found.length < 2;
    const sorted = [...found].sort((a, b) => Number(b.current) - Number(a.current)); // this one is the first
    list.replaceChildren(...sorted.map((device) => {
      const name = deviceName(device.device);
      const used = `last used ${exactText(Date.parse(device.refreshed_at))}`;
      const where = [device.address, used].filter(Boolean).join(", ");
      const text = el("div", {}, el("bdi", { class: "device", title: device.device }, name), el("p", { class: "field-hint" }, where));
      if (device.current) return el("li", {}, text, el("span", { class: "you" }, "this device"));
      const end = () => act("DELETE", `me/sessions/${encodeURIComponent(device.id)}`, `${name} was signed out.`);
      const label = `Sign out ${name}`;
      return el("li", {}, text, el("button", { type: "button", class: "link", "aria-label": label, click: end }, "Sign out"));
    }));
  }

  act("GET", "me/sessions", "");
  return [list, others, said];
}
