import { byId, el, icon } from "./dom.js";

/**
 * Alerts to the user: read once by a screen reader, shown until dismissed.
 *
 * @typedef {import("../session.js").Alert} Alert
 */
export class AlertsView {
  #box = byId("alerts");
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();

  /** @param {(key: string) => void} dismiss @param {(room: string, accept: boolean) => void} answer an invitation */
  constructor(dismiss, answer) {
    this.dismiss = dismiss;
    this.answer = answer;
  }

  /** @param {Alert[]} alerts */
  render(alerts) {
    const keys = new Set(alerts.map((alert) => alert.key));
    for (const [key, element] of this.#shown) {
      if (keys.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    for (const { key, text, news, invitation } of alerts) {
      if (this.#shown.has(key)) continue;
      const close = el("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", click: () => this.dismiss(key) });
      close.append(icon("close"));
      const element = el("div", { class: "alert" }, el("span", { dir: "auto" }, text));
      if (news) element.classList.add("news");
      if (invitation === undefined) element.append(close);
      else {
        element.classList.add("invitation");
        for (const [label, accept] of /** @type {const} */ ([["Enter", true], ["Decline", false]])) {
          const answer = () => this.answer(invitation, accept);
          element.append(el("button", { type: "button", class: "link", click: answer }, label));
        }
      }
      this.#shown.set(key, element);
      this.#box.append(element);
    }
  }
}
