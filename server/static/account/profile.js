import { el } from "../view/dom.js";
import { Refused } from "./api.js";
import { devices } from "./devices.js";
import { secondFactor } from "./factor.js";
import { CODE, Form, NEW_PASSWORD, OLD_PASSWORD, PASSWORD } from "./form.js";

/**
 * The page of a user's own account: name, e-mail, password, second factor, devices, what they wrote as a guest, their
 * data, and its end.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @param {Pages} pages @returns {Page | Promise<Page>} */
export function profile(pages) {
  const { account, guest } = pages;
  const me = account.me;
  if (!me) return pages.pages.signIn(pages, {});
  const body = [
    el("p", { class: "lead" }, "Signed in as ", el("bdi", { class: "me-name" }, me.username), "."),
    section("Name", name(pages)),
    ...(pages.server.mail ? [section("E-mail", email(pages))] : []),
    section("Password", password(pages)),
    section("Second factor", secondFactor(pages)),
    section("Signed-in devices", devices(pages)),
    ...(guest.token() ? [section("What you wrote as a guest", keep(pages))] : []),
    section("Your data", download(pages)),
    section("Sign out", signOut(pages)),
    section("Delete the account", remove(pages)),
  ];
  return { title: "Your account", body };
}

/** @param {string} title @param {(Node | string)[]} parts */
function section(title, parts) {
  const id = `account-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return el("section", { class: "part", "aria-labelledby": id }, el("h2", { id }, title), ...parts);
}

/** @param {Pages} pages */
function name({ account }) {
  const form = new Form({
    fields: [{ name: "name", label: "Name that others see", autocomplete: "nickname", maxlength: 128, value: account.me?.name }],
    button: "Change name",
    submit: async (values, self) => {
      await account.change(values);
      self.say("Your name is changed.");
    },
  });
  return [form.element];
}

/** @param {Pages} pages */
function email({ account }) {
  const { email: now, email_pending: pending, username } = /** @type {import("./account.js").Me} */ (account.me);
  const state = el("p", { role: "status" });
  const show = (/** @type {string | undefined} */ address, /** @type {string | undefined} */ waiting) => {
    const text = address ? `Confirmed: ${address}.` : "No confirmed address, so a forgotten password cannot be reset.";
    state.textContent = waiting ? `${text} A link was sent to ${waiting}.` : text;
  };
  show(now, pending);
  const form = new Form({
    fields: [
      { name: "email", label: "New e-mail", type: "email", autocomplete: "email", maxlength: 254, optional: true, hint: "Empty: remove it." },
      OLD_PASSWORD,
    ],
    button: "Change e-mail",
    username,
    submit: async (values, self) => {
      await account.change(values);
      self.clear(true);
      show(account.me?.email, account.me?.email_pending);
    },
  });
  return [state, form.element];
}

/** @param {Pages} pages */
function password({ account }) {
  const form = new Form({
    fields: [OLD_PASSWORD, NEW_PASSWORD],
    button: "Change password",
    username: account.me?.username,
    submit: async (values, self) => {
      await account.change(values);
      self.clear();
      self.say("Your password is changed. All other devices were signed out.");
    },
  });
  return [form.element];
}

/** @param {Pages} pages */
function keep({ account, guest }) {
  const lead = el("p", {}, "This tab was a guest. Its rooms, roles and messages can become those of your account.");
  const form = new Form({
    fields: [],
    button: "Keep what I wrote",
    submit: async (_, self) => {
      await account.keep(guest.token());
      guest.moved();
      self.say("Done. What you wrote as this guest is yours now.");
    },
  });
  return [lead, form.element];
}

/** @param {Pages} pages */
function download({ api }) {
  const form = new Form({
    fields: [],
    button: "Download your data",
    submit: async () => {
      await api.ask("GET", "me"); // the browser follows the link without this module, and could not refresh
      el("a", { href: new URL("api/me/export", api.base).href, download: "" }).click();
    },
  });
  return [el("p", {}, "Everything that the server holds about you, as JSON Lines in a zip file."), form.element];
}

/** @param {Pages} pages */
function signOut(pages) {
  let warned = false;
  const form = new Form({
    fields: [],
    button: "Sign out",
    submit: async () => {
      if (pages.unsent() && !warned) {
        warned = true;
        throw new Refused("", "Not all of your messages are sent yet. Sign out again to lose the others.");
      }
      await pages.account.signOut();
      pages.onSigned(true);
    },
  });
  return [form.element];
}

/** @param {Pages} pages */
function remove(pages) {
  const { api, account } = pages;
  const too = el("input", { type: "checkbox", id: "account-delete-messages" });
  const choice = el("p", { class: "check" }, too, el("label", { for: "account-delete-messages" }, "Delete my messages, too"));
  const lead = el("p", {}, "This cannot be undone. Without the mark below, your messages stay, as by “deleted user”.");
  const code = account.me?.second_factor ? [CODE] : [];
  const form = new Form({
    fields: [PASSWORD, ...code],
    button: "Delete my account",
    danger: true,
    username: account.me?.username,
    submit: async (values) => {
      await api.ask("DELETE", "me", { ...values, messages: too.checked ? "delete" : "keep" });
      account.announce();
      pages.onSigned(true);
    },
  });
  return [lead, choice, form.element];
}
