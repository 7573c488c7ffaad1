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
    submit: async (values) => show(secret(pages, show, await pages.act.me.beginFactor(values))),
  });
  return () => html`<p tabindex="-1">${words.factorOff}</p>${form.draw()}`;
}

/** @param {Pages} pages @param {Show} show @param {{secret: string, uri: string}} made */
function secret(pages, show, { secret: key, uri }) {
  const form = formOf(pages, {
    fields: [{ ...CODE, hint: "", inputmode: "numeric" }],
    button: words.confirm,
    submit: async (values) => show(codes(pages, show, await pages.act.me.confirmFactor(values))),
  });
  // The app on this device opens it; the address holds nothing but the key and the name of the account.
  const app = uri.startsWith("otpauth://") ? html`<p><a href=${uri}>${words.secretOpen}</a></p>` : nothing;
  return () => html`<p tabindex="-1">${words.secret}</p>
    <p><code class="secret">${key.replaceAll(/(.{4})(?=.)/g, "$1 ")}</code></p>
    ${app}${form.draw()}`;
}

/** @param {Pages} pages @param {Show} show @param {string[]} made */
function codes(pages, show, made) {
  let copied = "";
  const keep = async () => {
    copied = (await copy(made.join("\n"))) ? words.codesCopied : words.codesNotCopied;
    pages.draw();
  };
  return () => html`<p tabindex="-1">${words.codesLead}</p>
    <ul class="codes" aria-label=${words.codes}>${made.map((code) => html`<li><code>${code}</code></li>`)}</ul>
    <div><button type="button" class="link" @click=${keep}>${words.codesCopy}</button></div>
    <p class="said" role="status">${copied}</p>
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
