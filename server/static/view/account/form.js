import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { el, setText } from "../dom.js";

/**
 * Forms of the account pages: every field has a label and a place for what is wrong with it; what concerns the whole
 * form is said above its button.
 *
 * @typedef {{name: string, label: string, type?: string, autocomplete?: string, hint?: string, value?: string,
 *   inputmode?: string, optional?: boolean, later?: boolean, maxlength?: number, autofocus?: boolean,
 *   proof?: string}} Field `later`: hidden, and not sent, until the server asks for it; `autofocus`: it gets the focus, and
 *   not the first field; `proof`: its part in proving who the user is, a word of the keys of `words.wrong`
 * @typedef {Record<string, string>} Values
 */

let made = 0;

export class Form {
  /** @type {Map<string, {field: Field, box: HTMLElement, input: HTMLInputElement, error: HTMLElement}>} */ #rows = new Map();
  #wrong = el("p", { class: "field-error", role: "alert" });
  #said = el("p", { class: "said", role: "status" });
  /** @type {HTMLButtonElement} */ #button;
  #busy = false;

  /**
   * @param {{fields: Field[], button: string, danger?: boolean, username?: string,
   *   submit: (values: Values, form: Form) => Promise<unknown>}} options `username`: for password managers, where the form
   *   does not ask for it; `submit` may throw `Refused`
   */
  constructor({ fields, button, danger = false, username, submit }) {
    this.submit = submit;
    made += 1;
    this.#button = el("button", { type: "submit", class: danger ? "primary danger" : "primary" }, button);
    this.element = el("form", { class: "form", novalidate: true, submit: (/** @type {Event} */ event) => this.#send(event) });
    if (username !== undefined) {
      const hidden = { type: "text", autocomplete: "username", value: username, readonly: true, hidden: true };
      this.element.append(el("input", hidden));
    }
    for (const field of fields) this.element.append(this.#row(field));
    this.element.append(this.#wrong, this.#button, this.#said);
  }

  /** Say what has happened. @param {string} text */
  say(text) {
    setText(this.#said, text);
  }

  /** Empty the fields that hold secrets, or all. @param {boolean} [all] */
  clear(all = false) {
    for (const { input, field } of this.#rows.values()) if (all || field.type === "password") input.value = "";
  }

  /** @param {Field} field */
  #row(field) {
    const id = `account-${made}-${field.name}`;
    const error = el("p", { id: `${id}-error`, class: "field-error", role: "alert" });
    const hint = field.hint ? el("p", { id: `${id}-hint`, class: "field-hint" }, field.hint) : "";
    const input = el("input", {
      id,
      name: field.name,
      type: field.type ?? "text",
      autocomplete: field.autocomplete ?? "off",
      inputmode: field.inputmode,
      autocapitalize: "none",
      spellcheck: "false",
      maxlength: String(field.maxlength ?? 1024),
      "aria-required": field.optional ? undefined : "true",
      "aria-describedby": hint ? `${id}-hint ${id}-error` : `${id}-error`,
      dir: "auto",
      autofocus: field.autofocus,
      input: () => this.#clearErrors(),
    });
    input.value = field.value ?? "";
    const label = el("label", { for: id }, field.label);
    const box = el("div", { class: "field", hidden: Boolean(field.later) }, label, input, hint, error);
    this.#rows.set(field.name, { field, box, input, error });
    return box;
  }

  /** @param {Event} event */
  async #send(event) {
    event.preventDefault();
    if (this.#busy) return;
    this.#clearErrors();
    this.say("");
    /** @type {Values} */
    const values = {};
    for (const [name, { field, box, input }] of this.#rows) {
      if (box.hidden) continue;
      const value = field.type === "password" ? input.value : input.value.normalize("NFC").trim();
      if (!value && !field.optional) return this.#refuse(name, words.missing(field.label));
      values[name] = value;
    }
    this.#busy = true;
    this.#button.setAttribute("aria-disabled", "true"); // not `disabled`: that would lose the focus
    try {
      await this.submit(values, this);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "code_required" && this.#rows.has("code")) this.#reveal("code", words.codeRequired);
      else this.#show(error);
    } finally {
      this.#busy = false;
      this.#button.removeAttribute("aria-disabled");
    }
  }

  /** Show a field that was to be asked later. @param {string} name @param {string} text what to do, as its error */
  #reveal(name, text) {
    const row = this.#rows.get(name);
    if (row) row.box.hidden = false;
    this.#refuse(name, text);
  }

  /** @param {Refused} refused */
  #show(refused) {
    const known = Object.entries(refused.fields).filter(([name]) => this.#rows.get(name)?.box.hidden === false);
    for (const [name, text] of known.reverse()) this.#refuse(name, text); // the first one gets the focus
    if (!known.length) setText(this.#wrong, refused.code === "wrong_credentials" ? this.#wrongProof() : refused.message);
  }

  /** What may be wrong, by the fields that this form shows: "The username or the password is wrong." */
  #wrongProof() {
    const shown = [...this.#rows.values()].filter(({ field, box }) => !box.hidden && field.proof);
    return words.wrong[shown.map(({ field }) => field.proof).join(" ")];
  }

  /** @param {string} name @param {string} text */
  #refuse(name, text) {
    const row = this.#rows.get(name);
    if (!row) return;
    setText(row.error, text);
    row.input.setAttribute("aria-invalid", "true");
    row.input.focus();
  }

  #clearErrors() {
    setText(this.#wrong, "");
    for (const { input, error } of this.#rows.values()) {
      input.removeAttribute("aria-invalid");
      setText(error, "");
    }
  }
}

// The fields that several forms have, as password managers know them.
export const USERNAME = { name: "username", label: words.username, autocomplete: "username", maxlength: 64, proof: "username" };
export const PASSWORD = {
  name: "password",
  label: words.password,
  type: "password",
  autocomplete: "current-password",
  proof: "password",
};
export const OLD_PASSWORD = { ...PASSWORD, name: "old_password", label: words.oldPassword };
export const NEW_PASSWORD = {
  name: "password",
  label: words.newPassword,
  type: "password",
  autocomplete: "new-password",
  hint: words.passwordHint,
};
export const CODE = { name: "code", label: words.code, autocomplete: "one-time-code", maxlength: 64, hint: words.codeHint, proof: "code" };
/** Where only the server knows whether the account has a second factor now: another device may have changed it. */
export const LATER_CODE = { ...CODE, later: true, optional: true };

/** Leave out what was left empty. @param {Values} values */
export function given(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
