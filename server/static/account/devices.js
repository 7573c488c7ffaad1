import { el, setText } from "../view/dom.js";
import { exactText } from "../view/time.js";
import { Refused } from "./api.js";

/**
 * The devices on which the account is signed in, and the buttons that sign them out.
 *
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {{id: string, device: string, address: string, created_at: string, refreshed_at: string, current: boolean}} Device
 */

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
    list.replaceChildren(...found.map((device) => {
      const name = device.device || "Unknown device";
      const used = `last used ${exactText(Date.parse(device.refreshed_at))}`;
      const where = [device.address, used].filter(Boolean).join(", ");
      const text = el("div", {}, el("bdi", { class: "device" }, name), el("p", { class: "field-hint" }, where));
      if (device.current) return el("li", {}, text, el("span", { class: "you" }, "this device"));
      const end = () => act("DELETE", `me/sessions/${encodeURIComponent(device.id)}`, `${name} was signed out.`);
      const label = `Sign out ${name}`;
      return el("li", {}, text, el("button", { type: "button", class: "link", "aria-label": label, click: end }, "Sign out"));
    }));
  }

  act("GET", "me/sessions", "");
  return [list, others, said];
}
