import { el, setText } from "../view/dom.js";
import { copy } from "../view/links.js";
import { CODE, Form, OLD_PASSWORD } from "./form.js";

/**
 * The second factor: a secret for an authenticator app (RFC 6238), and recovery codes.
 *
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {Pages} pages @returns {HTMLElement[]} what stands in its section; it redraws itself after each step */
export function secondFactor(pages) {
  const box = el("div", { class: "steps" });
  if (pages.account.me?.second_factor) showOn(pages, box);
  else showOff(pages, box);
  return [box];
}

/** Show a step, and read it to users who cannot see it. @param {HTMLElement} box @param {(Node | string)[]} parts */
function show(box, ...parts) {
  const had = box.contains(document.activeElement);
  box.replaceChildren(...parts);
  if (!had) return;
  const first = /** @type {HTMLElement} */ (box.querySelector("[tabindex='-1'], input:not([hidden]), button"));
  first?.focus();
}

/** @param {Pages} pages @param {HTMLElement} box */
function showOff(pages, box) {
  const form = new Form({
    fields: [OLD_PASSWORD],
    button: "Turn on",
    username: pages.account.me?.username,
    submit: async (values) => {
      const made = await pages.api.ask("POST", "me/totp", values);
      showSecret(pages, box, made);
    },
  });
  show(box, el("p", {}, "Off. With a second factor, signing in also takes a code from an app on your phone."), form.element);
}

/** @param {Pages} pages @param {HTMLElement} box @param {{secret: string, uri: string}} made */
function showSecret(pages, box, { secret, uri }) {
  const spaced = secret.replaceAll(/(.{4})(?=.)/g, "$1 ");
  const lead = el("p", { tabindex: "-1" }, "Add this key to your authenticator app, then enter the code that it shows:");
  // The app on this device opens it; the address holds nothing but the key and the name of the account.
  const open = uri.startsWith("otpauth://") ? el("p", {}, el("a", { href: uri }, "Open the app on this device")) : "";
  const form = new Form({
    fields: [{ ...CODE, hint: "", inputmode: "numeric" }],
    button: "Confirm",
    submit: async (values) => {
      const { recovery_codes: codes } = await pages.api.ask("POST", "me/totp/confirm", values);
      if (pages.account.me) pages.account.me.second_factor = true;
      showCodes(pages, box, codes);
    },
  });
  show(box, lead, el("p", {}, el("code", { class: "secret" }, spaced)), open, form.element);
}

/** @param {Pages} pages @param {HTMLElement} box @param {string[]} codes */
function showCodes(pages, box, codes) {
  const lead = el("p", { tabindex: "-1" }, "Keep these recovery codes in a safe place. Each signs you in once without the app. They are shown only now:");
  const list = el("ul", { class: "codes", "aria-label": "Recovery codes" }, ...codes.map((code) => el("li", {}, el("code", {}, code))));
  const copied = el("p", { class: "said", role: "status" });
  const keep = el("button", { type: "button", class: "link" }, "Copy them");
  keep.addEventListener("click", async () => {
    const done = await copy(codes.join("\n"));
    setText(copied, done ? "They are copied." : "This browser did not copy them. Write them down.");
  });
  if (pages.account.me) pages.account.me.recovery_codes = codes.length;
  const done = el("button", { type: "button", class: "primary", click: () => showOn(pages, box) }, "I have kept them");
  show(box, lead, list, el("div", {}, keep), copied, done);
}

/** @param {Pages} pages @param {HTMLElement} box */
function showOn(pages, box) {
  const username = pages.account.me?.username;
  const codes = new Form({
    fields: [OLD_PASSWORD, CODE],
    button: "Make new recovery codes",
    username,
    submit: async (values) => {
      const { recovery_codes: made } = await pages.api.ask("POST", "me/totp/codes", values);
      showCodes(pages, box, made);
    },
  });
  const off = new Form({
    fields: [OLD_PASSWORD, CODE],
    button: "Turn off",
    username,
    submit: async (values) => {
      await pages.api.ask("DELETE", "me/totp", values);
      if (pages.account.me) pages.account.me.second_factor = false;
      showOff(pages, box);
    },
  });
  const more = (/** @type {string} */ title, /** @type {Form} */ form) => el("details", {}, el("summary", {}, title), form.element);
  const left = pages.account.me?.recovery_codes ?? 0;
  const codesLeft = `On. ${left === 1 ? "One recovery code is" : `${left || "No"} recovery codes are`} left.`;
  show(box, el("p", { tabindex: "-1" }, codesLeft), more("New recovery codes", codes), more("Turn the second factor off", off));
}
