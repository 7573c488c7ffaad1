import { el } from "../view/dom.js";
import { Refused } from "../net/api.js";
import { devices } from "./devices.js";
import { secondFactor } from "./factor.js";
import { Form, LATER_CODE, NEW_PASSWORD, OLD_PASSWORD, given } from "./form.js";

/**
 * The page of a user's own account: name, e-mail, password, second factor, devices, what they wrote as a guest, their
 * data, and its end.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 */

/** @type {Record<string, string>} */
const RANKS = { admin: ", an admin", organizer: ", an organizer" };

/** @param {Pages} pages @returns {Page | Promise<Page>} */
export function profile(pages) {
  const { account, guest } = pages;
  const me = account.me;
  if (!me) return pages.pages.signIn(pages, {});
  const body = [
    el("p", { class: "lead" }, "Signed in as ", el("bdi", {}, me.username), RANKS[me.role] ?? "", "."),
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
function email(pages) {
  const box = el("div", { class: "steps" });
  showEmail(pages, box);
  return [box];
}

/** @param {Pages} pages @param {HTMLElement} box @param {boolean} [changed] */
function showEmail(pages, box, changed = false) {
  const { account } = pages;
  const { email: now, email_pending: pending, username } = /** @type {import("./account.js").Me} */ (account.me);
  const none = "No confirmed address, so a forgotten password cannot be reset.";
  const texts = [changed && !now && !pending ? "The address is removed." : "", now ? `Confirmed: ${now}.` : none];
  if (pending) texts.push(`A mail was sent to ${pending}: open the link in it to confirm this address.`);
  const state = el("p", { tabindex: "-1" }, texts.filter(Boolean).join(" "));
  const any = Boolean(now || pending);
  const form = new Form({
    fields: [
      { name: "email", label: "New e-mail", type: "email", autocomplete: "email", maxlength: 254, optional: any, hint: any ? "Leave it empty to remove the address." : "" },
      OLD_PASSWORD,
    ],
    button: "Change e-mail",
    username,
    submit: async (values) => {
      await account.change(values);
      showEmail(pages, box, true);
    },
  });
  box.replaceChildren(state, form.element);
  if (changed) state.focus(); // a screen reader reads it; the button that had the focus is gone
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
  const box = el("div", { class: "steps" });
  const lead = el("p", {}, "This tab was a guest. Its rooms, roles and messages can become those of your account.");
  const form = new Form({
    fields: [],
    button: "Keep what I wrote",
    submit: async () => {
      await account.keep(guest.token());
      guest.moved();
      const done = el("p", { class: "said", role: "status", tabindex: "-1" }, "Done. What you wrote as this guest is yours now.");
      box.replaceChildren(done); // its token says nothing any more: there is nothing left to press
      done.focus();
    },
  });
  box.append(lead, form.element);
  return [box];
}

/** @param {Pages} pages */
function download({ api }) {
  const form = new Form({
    fields: [],
    button: "Download your data",
    submit: async () => {
      // Not by a link to it: a refusal would be a failed download, and its reason would be lost.
      const address = URL.createObjectURL(await api.download("me/export"));
      el("a", { href: address, download: "parley.zip" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser begins to read it after this task
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
      pages.onSigned({ out: true });
    },
  });
  return [form.element];
}

/** @param {Pages} pages */
function remove(pages) {
  const { api, account } = pages;
  const too = el("input", { type: "checkbox", id: "account-delete-messages" });
  const choice = el("p", { class: "check" }, too, el("label", { for: "account-delete-messages" }, "Delete my messages, too"));
  const lead = el("p", {}, "This cannot be undone. Your messages stay, shown as by “deleted user”, unless you have them deleted, too.");
  const form = new Form({
    fields: [OLD_PASSWORD, LATER_CODE],
    button: "Delete my account",
    danger: true,
    username: account.me?.username,
    submit: async (values) => {
      await api.ask("DELETE", "me", { ...given(values), messages: too.checked ? "delete" : "keep" });
      account.announce();
      pages.onSigned({ out: true, news: "Your account is deleted." });
    },
  });
  return [lead, choice, form.element];
}
