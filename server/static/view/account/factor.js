import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { account as words } from "../../words/account.js";
import { copy } from "../links.js";
import { CODE, OLD_PASSWORD, formOf } from "./form.js";

/**
 * The second factor: a secret for an authenticator app (RFC 6238), and recovery codes.
 *
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {Pages} pages @returns {() => unknown} what stands in its section: one step at a time */
export function secondFactor(pages) {
  /** @type {() => unknown} */
  let step = pages.state.account?.second_factor ? on(pages, show) : off(pages, show);

  /** @param {() => unknown} next */
  function show(next) {
    step = next;
    pages.step("#account-part-factor");
  }

  return () => step();
}

/** @typedef {(next: () => unknown) => void} Show */

/** @param {Pages} pages @param {Show} show */
function off(pages, show) {
  const form = formOf(pages, {
    fields: [OLD_PASSWORD],
    button: words.turnOn,
    username: pages.state.account?.username,
    submit: async (values) => {
      const made = await pages.act.me.beginFactor(values);
      const loaded = await pages.act.ui.load(() => import("./qr.js"));
      show(secret(pages, show, made, loaded?.qrCode(made.uri, words.secretCode)));
    },
  });
  return () => html`<p tabindex="-1">${words.factorOff}</p>${form.draw()}`;
}

/** @param {Pages} pages @param {Show} show @param {{secret: string, uri: string}} made @param {unknown} code to scan */
function secret(pages, show, { secret: key, uri }, code) {
  const form = formOf(pages, {
    fields: [{ ...CODE, hint: "", focus: true, inputmode: "numeric" }],
    button: words.confirm,
    submit: async (values) => show(codes(pages, show, await pages.act.me.confirmFactor(values))),
  });
  // The app on this device opens it; the address holds nothing but the key and the name of the account.
  const app = uri.startsWith("otpauth://") ? html`<p class="open-app"><a href=${uri}>${words.secretOpen}</a></p>` : nothing;
  const copied = copier(pages, words.secretCopy, key);
  return () => html`<p>${code ? words.secretScan : words.secret}</p>
    ${code ?? nothing}
    <p><code class="secret">${key.replaceAll(/(.{4})(?=.)/g, "$1 ")}</code></p>
    ${copied()}${app}${form.draw()}
    <div><button type="button" class="link" @click=${() => show(off(pages, show))}>${words.cancel}</button></div>`;
}

/** A button that copies, and what came of it. @param {Pages} pages @param {string} label @param {string} text */
function copier(pages, label, text) {
  let said = "";
  const run = async () => {
    said = (await copy(text)) ? words.copied : words.notCopied;
    pages.draw();
  };
  return () => html`<div><button type="button" class="link" @click=${run}>${label}</button></div><p class="said" role="status">${said}</p>`;
}

/** @param {Pages} pages @param {Show} show @param {string[]} made */
function codes(pages, show, made) {
  const copied = copier(pages, words.codesCopy, made.join("\n"));
  return () => html`<p tabindex="-1">${words.codesLead}</p>
    <ul class="codes" aria-label=${words.codes}>${made.map((code) => html`<li><code>${code}</code></li>`)}</ul>
    ${copied()}
    <button type="button" class="primary" @click=${() => show(on(pages, show))}>${words.codesKept}</button>`;
}

/** @param {Pages} pages @param {Show} show */
function on(pages, show) {
  const { me } = pages.act;
  const { username, recovery_codes: left } = pages.state.account ?? {};
  const proof = { fields: [OLD_PASSWORD, CODE], username };
  const more = formOf(pages, { ...proof, button: words.codesMake, submit: async (values) => show(codes(pages, show, await me.newCodes(values))) });
  const end = formOf(pages, {
    ...proof,
    button: words.turnOff,
    submit: async (values) => {
      await me.endFactor(values);
      show(off(pages, show));
    },
  });
  return () => html`<p tabindex="-1">${words.factorOn(left ?? 0)}</p>
    <details><summary>${words.codesNew}</summary>${more.draw()}</details>
    <details><summary>${words.turnOffLong}</summary>${end.draw()}</details>`;
}
