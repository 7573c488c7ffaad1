import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { account as words } from "../../words/account.js";
import { parts } from "../../words/format.js";
import { save } from "../save.js";
import { devices } from "./devices.js";
import { secondFactor } from "./factor.js";
import { LATER_CODE, NEW_PASSWORD, OLD_PASSWORD, formOf, given } from "./form.js";
import { signIn } from "./sign.js";

/**
 * The page of a user's own account: name, e-mail, password, second factor, devices, what they wrote as a guest, their
 * data, and its end.
 *
 * @typedef {import("./pages.js").Page} Page
 * @typedef {import("./pages.js").Pages} Pages
 * @typedef {import("../../net/login.js").Me} Me
 */

/** @param {Pages} pages @returns {Page} */
export function profile(pages) {
  const { account: me, guests, server } = pages.state;
  if (!me) return signIn(pages, {});
  const known = guests.list().map((guest, i) => keep(pages, guest.name, `account-guest-${i}`));
  const sections = [
    section("name", words.partName, name(pages)),
    ...(server.mail ? [section("mail", words.mail, email(pages))] : []),
    section("password", words.password, password(pages)),
    section("factor", words.factor, secondFactor(pages)),
    section("devices", words.devices, devices(pages)),
    ...(known.length ? [section("guests", words.guests, () => known.map((draw) => draw()))] : []),
    section("data", words.data, download(pages)),
    section("sign-out", words.signOut, () => html`<div class="buttons"><button type="button" class="primary" @click=${() => pages.act.ui.dialog("signOut")}>${words.signOut}</button></div>`),
    section("delete", words.remove, remove(pages)),
  ];
  return {
    title: words.title,
    lead: parts(words.signedInAs[me.role] ?? words.signedInAs[""], { name: html`<bdi>${me.username}</bdi>` }),
    body: () => sections.map((draw) => draw()),
  };
}

/** @param {string} id @param {string} title @param {() => unknown} draw what stands in it */
function section(id, title, draw) {
  return () => html`<section class="part" aria-labelledby="account-${id}">
    <h2 id="account-${id}">${title}</h2>
    <div id="account-part-${id}" class="steps">${draw()}</div>
  </section>`;
}

/** @param {Pages} pages */
function name(pages) {
  const { act, state } = pages;
  const form = formOf(pages, {
    fields: [{ name: "name", label: words.name, autocomplete: "nickname", maxlength: 128, value: state.account?.name }],
    button: words.nameChange,
    submit: async (values) => {
      await act.me.change(values);
      form.say(words.nameChanged);
    },
  });
  return () => form.draw();
}

/** @param {Pages} pages */
function email(pages) {
  let form = changeEmail(pages, changed);
  let end = removeEmail(pages, changed);
  let removed = false;

  function changed() {
    const { email: now, email_pending: pending } = /** @type {Me} */ (pages.state.account);
    removed = !now && !pending;
    form = changeEmail(pages, changed);
    end = removeEmail(pages, changed);
    pages.step("#account-part-mail");
  }

  return () => {
    const { email: now = "", email_pending: pending = "" } = pages.state.account ?? {}; // none when it has just been deleted
    const texts = [removed ? words.mailRemoved : "", now ? words.mailConfirmed(now) : words.mailNone, pending ? words.mailed(pending) : ""];
    const any = Boolean(now || pending);
    return html`<p tabindex="-1">${texts.filter(Boolean).join(" ")}</p>${form.draw()}
      ${any ? html`<details><summary>${words.mailRemove}</summary><p>${words.mailRemoveLead}</p>${end.draw()}</details>` : nothing}`;
  };
}

/** @param {Pages} pages @param {() => void} changed */
function changeEmail(pages, changed) {
  return formOf(pages, {
    fields: [{ name: "email", label: words.mailNew, type: "email", autocomplete: "email", maxlength: 254 }, OLD_PASSWORD],
    button: words.mailChange,
    username: pages.state.account?.username,
    submit: async (values) => {
      await pages.act.me.change(values);
      changed();
    },
  });
}

/** @param {Pages} pages @param {() => void} changed */
function removeEmail(pages, changed) {
  return formOf(pages, {
    fields: [OLD_PASSWORD],
    button: words.mailRemove,
    danger: true,
    username: pages.state.account?.username,
    submit: async (values) => {
      await pages.act.me.change({ ...values, email: "" });
      changed();
    },
  });
}

/** @param {Pages} pages */
function password(pages) {
  const { act, state } = pages;
  const form = formOf(pages, {
    fields: [OLD_PASSWORD, NEW_PASSWORD],
    button: words.passwordChange,
    username: state.account?.username,
    submit: async (values) => {
      await act.me.change(values);
      form.clear();
      form.say(words.passwordChanged);
    },
  });
  return () => form.draw();
}

/** @param {Pages} pages @param {string} guest @param {string} id */
function keep(pages, guest, id) {
  let kept = false;
  const form = formOf(pages, {
    button: words.guestKeep,
    submit: async () => {
      await pages.act.me.keepGuest(guest);
      kept = true; // there is nothing left to press
      pages.step(`#${id}`);
    },
  });
  return () => html`<div id=${id} class="steps">${kept
    ? html`<p class="said" role="status" tabindex="-1">${words.guestKept}</p>`
    : html`<p>${parts(words.guestLead, { name: html`<bdi>${guest}</bdi>` })}</p>${form.draw()}`}</div>`;
}

/** @param {Pages} pages */
function download(pages) {
  const form = formOf(pages, {
    button: words.dataGet,
    submit: async () => save(await pages.act.me.download(), "parley.zip"), // not by a link to it: a refusal's reason would be lost
  });
  return () => html`<p>${words.dataLead}</p>${form.draw()}`;
}

/** @param {Pages} pages */
function remove(pages) {
  const { act, state } = pages;
  const form = formOf(pages, {
    fields: [{ name: "messages", label: words.removeMessages, type: "checkbox" }, OLD_PASSWORD, LATER_CODE],
    button: words.removeButton,
    danger: true,
    username: state.account?.username,
    submit: ({ messages, ...values }) => act.me.remove(given(values), messages === "on", words.removed),
  });
  return () => html`<p>${words.removeLead}</p>${form.draw()}`;
}
