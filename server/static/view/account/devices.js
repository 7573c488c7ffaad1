import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { el, setText } from "../dom.js";
import { exactText } from "../time.js";

/**
 * The devices on which the account is signed in, and the buttons that sign them out.
 *
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../../actions/me.js").Device} Device
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
  if (!browser) return agent.split(/[\s/]/, 1)[0] || words.deviceUnknown; // a program: its first word is its name
  return system ? words.deviceOn(browser, system) : browser;
}

/** @param {Pages} pages @returns {HTMLElement[]} */
export function devices({ act: { me } }) {
  const list = el("ul", { class: "devices", "aria-label": words.devices });
  const said = el("p", { class: "said", role: "status", tabindex: "-1" });
  const others = el("button", { type: "button", class: "link", hidden: true }, words.devicesOthers);
  others.addEventListener("click", () => update(() => me.endOtherDevices(), words.devicesOthersDone));

  /** @param {() => Promise<unknown>} change @param {string} done */
  async function update(change, done) {
    try {
      await change();
      draw(await me.devices());
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
    list.replaceChildren(...found.map(({ id, device, address, refreshed_at, current }) => {
      const name = deviceName(device);
      const where = words.deviceUsed(address, exactText(Date.parse(refreshed_at)));
      const text = el("div", {}, el("bdi", { class: "device", title: device }, name), el("p", { class: "field-hint" }, where));
      if (current) return el("li", {}, text, el("span", { class: "you" }, words.deviceThis));
      const end = () => update(() => me.endDevice(id), words.deviceEnded(name));
      return el("li", {}, text, el("button", { type: "button", class: "link", "aria-label": words.deviceEnd(name), click: end }, words.signOut));
    }));
  }

  update(async () => {}, "");
  return [list, others, said];
}
