import { account as words } from "../../words/account.js";
import { el, setText } from "../dom.js";
import { copy } from "../links.js";
import { CODE, Form, OLD_PASSWORD } from "./form.js";

/**
 * The second factor: a secret for an authenticator app (RFC 6238), and recovery codes.
 *
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {Pages} pages @returns {HTMLElement[]} what stands in its section; it redraws itself after each step */
export function secondFactor(pages) {
  const box = el("div", { class: "steps" });
  if (pages.state.account?.second_factor) showOn(pages, box);
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
    button: words.turnOn,
    username: pages.state.account?.username,
    submit: async (values) => showSecret(pages, box, await pages.act.me.beginFactor(values)),
  });
  show(box, el("p", {}, words.factorOff), form.element);
}

/** @param {Pages} pages @param {HTMLElement} box @param {{secret: string, uri: string}} made */
function showSecret(pages, box, { secret, uri }) {
  const spaced = secret.replaceAll(/(.{4})(?=.)/g, "$1 ");
  const lead = el("p", { tabindex: "-1" }, words.secret);
  // The app on this device opens it; the address holds nothing but the key and the name of the account.
  const open = uri.startsWith("otpauth://") ? el("p", {}, el("a", { href: uri }, words.secretOpen)) : "";
  const form = new Form({
    fields: [{ ...CODE, hint: "", inputmode: "numeric" }],
    button: words.confirm,
    submit: async (values) => showCodes(pages, box, await pages.act.me.confirmFactor(values)),
  });
  show(box, lead, el("p", {}, el("code", { class: "secret" }, spaced)), open, form.element);
}

/** @param {Pages} pages @param {HTMLElement} box @param {string[]} codes */
function showCodes(pages, box, codes) {
  const lead = el("p", { tabindex: "-1" }, words.codesLead);
  const list = el("ul", { class: "codes", "aria-label": words.codes }, ...codes.map((code) => el("li", {}, el("code", {}, code))));
  const copied = el("p", { class: "said", role: "status" });
  const keep = el("button", { type: "button", class: "link" }, words.codesCopy);
  keep.addEventListener("click", async () => {
    const done = await copy(codes.join("\n"));
    setText(copied, done ? words.codesCopied : words.codesNotCopied);
  });
  const done = el("button", { type: "button", class: "primary", click: () => showOn(pages, box) }, words.codesKept);
  show(box, lead, list, el("div", {}, keep), copied, done);
}

/** @param {Pages} pages @param {HTMLElement} box */
function showOn(pages, box) {
  const { me } = pages.act;
  const account = pages.state.account;
  const proof = { fields: [OLD_PASSWORD, CODE], username: account?.username };
  const codes = new Form({ ...proof, button: words.codesMake, submit: async (values) => showCodes(pages, box, await me.newCodes(values)) });
  const off = new Form({
    ...proof,
    button: words.turnOff,
    submit: async (values) => {
      await me.endFactor(values);
      showOff(pages, box);
    },
  });
  const more = (/** @type {string} */ title, /** @type {Form} */ form) => el("details", {}, el("summary", {}, title), form.element);
  const on = el("p", { tabindex: "-1" }, words.factorOn(account?.recovery_codes ?? 0));
  show(box, on, more(words.codesNew, codes), more(words.turnOffLong, off));
}
