import { Refused } from "../../net/api.js";
import { account as words } from "../../words/account.js";
import { el } from "../dom.js";
import { devices } from "./devices.js";
import { secondFactor } from "./factor.js";
import { Form, LATER_CODE, NEW_PASSWORD, OLD_PASSWORD, given } from "./form.js";
import { withParts } from "./pages.js";
import { signIn } from "./sign.js";

/**
 * The page of a user's own account: name, e-mail, password, second factor, devices, what they wrote as a guest, their
 * data, and its end.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../../net/login.js").Me} Me
 */

/** @param {Pages} pages @returns {Page | Promise<Page>} */
export function profile(pages) {
  const { account: me, guests, server } = pages.state;
  if (!me) return signIn(pages, {});
  const known = guests.list();
  const as = words.signedInAs[me.role] ?? words.signedInAs[""];
  const body = [
    section("name", words.partName, name(pages)),
    ...(server.mail ? [section("mail", words.mail, email(pages))] : []),
    section("password", words.password, password(pages)),
    section("factor", words.factor, secondFactor(pages)),
    section("devices", words.devices, devices(pages)),
    ...(known.length ? [section("guests", words.guests, known.map((guest) => keep(pages, guest.name)))] : []),
    section("data", words.data, download(pages)),
    section("sign-out", words.signOut, signOut(pages)),
    section("delete", words.remove, remove(pages)),
  ];
  return { title: words.title, lead: withParts(as, { name: el("bdi", {}, me.username) }), body };
}

/** @param {string} id @param {string} title @param {(Node | string)[]} parts */
function section(id, title, parts) {
  return el("section", { class: "part", "aria-labelledby": `account-${id}` }, el("h2", { id: `account-${id}` }, title), ...parts);
}

/** @param {Pages} pages */
function name({ act, state }) {
  const form = new Form({
    fields: [{ name: "name", label: words.name, autocomplete: "nickname", maxlength: 128, value: state.account?.name }],
    button: words.nameChange,
    submit: async (values, self) => {
      await act.me.change(values);
      self.say(words.nameChanged);
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
  const { email: now, email_pending: pending, username } = /** @type {Me} */ (pages.state.account);
  const texts = [changed && !now && !pending ? words.mailRemoved : "", now ? words.mailConfirmed(now) : words.mailNone];
  if (pending) texts.push(words.mailed(pending));
  const state = el("p", { tabindex: "-1" }, texts.filter(Boolean).join(" "));
  const any = Boolean(now || pending);
  const hint = any ? words.mailRemove : "";
  const form = new Form({
    fields: [
      { name: "email", label: words.mailNew, type: "email", autocomplete: "email", maxlength: 254, optional: any, hint },
      OLD_PASSWORD,
    ],
    button: words.mailChange,
    username,
    submit: async (values) => {
      await pages.act.me.change(values);
      showEmail(pages, box, true);
    },
  });
  box.replaceChildren(state, form.element);
  if (changed) state.focus(); // a screen reader reads it; the button that had the focus is gone
}

/** @param {Pages} pages */
function password({ act, state }) {
  const form = new Form({
    fields: [OLD_PASSWORD, NEW_PASSWORD],
    button: words.passwordChange,
    username: state.account?.username,
    submit: async (values, self) => {
      await act.me.change(values);
      self.clear();
      self.say(words.passwordChanged);
    },
  });
  return [form.element];
}

/** @param {Pages} pages @param {string} guest */
function keep({ act }, guest) {
  const box = el("div", { class: "steps" });
  const lead = el("p", {}, withParts(words.guestLead, { name: el("bdi", {}, guest) }));
  const form = new Form({
    fields: [],
    button: words.guestKeep,
    submit: async () => {
      await act.me.keepGuest(guest);
      const done = el("p", { class: "said", role: "status", tabindex: "-1" }, words.guestKept);
      box.replaceChildren(done); // there is nothing left to press
      done.focus();
    },
  });
  box.append(lead, form.element);
  return box;
}

/** @param {Pages} pages */
function download({ act }) {
  const form = new Form({
    fields: [],
    button: words.dataGet,
    submit: async () => {
      // Not by a link to it: a refusal would be a failed download, and its reason would be lost.
      const address = URL.createObjectURL(await act.me.download());
      el("a", { href: address, download: "parley.zip" }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser begins to read it after this task
    },
  });
  return [el("p", {}, words.dataLead), form.element];
}

/** @param {Pages} pages */
function signOut({ act, state }) {
  let warned = false;
  const form = new Form({
    fields: [],
    button: words.signOut,
    submit: async () => {
      if (state.outbox.entries.length && !warned) {
        warned = true;
        throw new Refused("", words.signOutUnsent);
      }
      await act.account.signOut();
    },
  });
  return [form.element];
}

/** @param {Pages} pages */
function remove({ act, state }) {
  const too = el("input", { type: "checkbox", id: "account-delete-messages" });
  const choice = el("p", { class: "check" }, too, el("label", { for: "account-delete-messages" }, words.removeMessages));
  const form = new Form({
    fields: [OLD_PASSWORD, LATER_CODE],
    button: words.removeButton,
    danger: true,
    username: state.account?.username,
    submit: (values) => act.me.remove(given(values), too.checked, words.removed),
  });
  return [el("p", {}, words.removeLead), choice, form.element];
}
