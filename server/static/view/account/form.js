import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { Form } from "../form.js";

/**
 * The forms of the pages about accounts, and the fields that several of them have, as password managers know them.
 *
 * @typedef {import("../form.js").Values} Values
 * @typedef {import("../form.js").Field & {proof?: string, later?: boolean}} Field `proof`: its part in proving who the user
 *   is, a word of the keys of `words.wrong`; `later`: not shown until the server asks for it
 */

/** @type {Field} */
export const USERNAME = { name: "username", label: words.username, autocomplete: "username", maxlength: 64, proof: "username" };
/** @type {Field} */
export const PASSWORD = { name: "password", label: words.password, type: "password", autocomplete: "current-password", proof: "password" };
/** @type {Field} */
export const OLD_PASSWORD = { ...PASSWORD, name: "old_password", label: words.oldPassword };
/** @type {Field} */
export const NEW_PASSWORD = { name: "password", label: words.newPassword, type: "password", autocomplete: "new-password", hint: words.passwordHint };
/** @type {Field} */
export const CODE = { name: "code", label: words.code, autocomplete: "one-time-code", maxlength: 64, hint: words.codeHint, proof: "code" };
/** Where only the server knows whether the account has a second factor now: another device may have changed it. @type {Field} */
export const LATER_CODE = { ...CODE, hint: words.codeRequired, later: true, optional: true };

/**
 * @param {import("./pages.js").Pages} pages
 * @param {{fields?: Field[], button: string, danger?: boolean, username?: string,
 *   submit: (values: Values, form: Form) => Promise<unknown>}} options as those of `Form`
 */
export function formOf(pages, { fields = [], submit, ...options }) {
  let asked = false; // for what is asked later
  let accepted = ""; // what the server has accepted but for the code
  const others = (/** @type {Values} */ { code: _, ...rest }) => JSON.stringify(rest);
  return new Form({
    ...options,
    fields: fields.map((field) => (field.later ? { ...field, when: () => asked } : field)),
    redraw: () => pages.draw(),
    submit: async (values, form) => {
      try {
        await submit(values, form);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.code === "code_required" && fields.some(({ later }) => later)) {
          asked = true;
          accepted = others(values);
          return form.ask("code"); // the next step, and no mistake
        }
        if (error.code !== "wrong_credentials" || Object.keys(error.fields).some((name) => name in values)) throw error;
        if (accepted === others(values)) throw refused(error, "code", words.wrongCode);
        const proofs = fields.filter(({ name, proof }) => proof && name in values).map(({ proof }) => proof);
        throw refused(error, "", words.wrong[proofs.join(" ")]);
      }
    },
  });
}

/** The same refusal in other words. @param {Refused} error @param {string} field "" for none @param {string} text */
function refused(error, field, text) {
  return new Refused(error.code, text, { fields: field ? { [field]: text } : {} });
}

/** Leave out what was left empty. @param {Values} values */
export function given(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
