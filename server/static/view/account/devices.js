import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
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

/** @param {Pages} pages @returns {() => unknown} what stands in its section */
export function devices(pages) {
  const { me } = pages.act;
  /** @type {Device[]} */ let found = [];
  let said = "";

  /** @param {() => Promise<unknown>} change @param {string} done */
  async function update(change, done) {
    try {
      await change();
      found = await me.devices();
      said = done;
      if (done) pages.step("#account-part-devices"); // the button that had the focus is gone
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      said = error.message;
    }
    pages.draw();
  }

  update(async () => {}, "");
  const endOthers = () => update(() => me.endOtherDevices(), words.devicesOthersDone);
  const end = (/** @type {Device} */ { id, device }) => update(() => me.endDevice(id), words.deviceEnded(deviceName(device)));
  return () => html`
    <ul class="devices" aria-label=${words.devices}>${found.map((device) => line(device, () => end(device)))}</ul>
    ${found.length < 2 ? nothing : html`<button type="button" class="link" @click=${endOthers}>${words.devicesOthers}</button>`}
    <p class="said" role="status" tabindex="-1">${said}</p>`;
}

/** @param {Device} device @param {() => void} end */
function line({ device, address, refreshed_at, current }, end) {
  const name = deviceName(device);
  return html`<li>
    <div><bdi class="device" title=${device}>${name}</bdi><p class="field-hint">${words.deviceUsed(address, exactText(Date.parse(refreshed_at)))}</p></div>
    ${current
      ? html`<span class="you">${words.deviceThis}</span>`
      : html`<button type="button" class="link" aria-label=${words.deviceEnd(name)} @click=${end}>${words.signOut}</button>`}
  </li>`;
}
