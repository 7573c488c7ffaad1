import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { Refused } from "../net/api.js";
import { kindOf } from "../state/people.js";
import { isHere, isOnline, isUnknown, lasts, outranks, rolesToGive } from "../state/standing.js";
import { words as page } from "../words.js";
import { profile as words } from "../words/profile.js";
import { avatar } from "./avatar.js";
import { focusFirst } from "./focus.js";
import { icon } from "./more-icons.js";
import { copy } from "./links.js";
import { mark, nameOf, namesakes } from "./names.js";
import { mention } from "./token.js";
import { ago, until } from "./when.js";

/**
 * A person's card, in the right-hand panel: who this is, and what one can do about them. What the server refuses is said
 * next to the button.
 *
 * @typedef {import("../state/types.js").Member} Member
 * @typedef {Parameters<typeof icon>[0]} IconName
 */

export const style = "manage";

/** @param {import("./host.js").Context} context with `user`, and `room` where they were seen @returns {import("./host.js").Part} */
export function open({ state, act, data, redraw, uncover }) {
  const { user, room: name } = data;
  const room = state.rooms.get(name);
  const mine = state.isMine(user.id);
  const kind = kindOf(user.id);
  /** What was refused, by button. @type {Record<string, string>} */ let errors = {};
  let busy = "";
  /** @type {Map<string, Member> | undefined} */ let asked;
  /** Users who share names, as of so many known ones. */
  let alike = { names: 0, shown: "", ends: new Map() };

  /** @param {string} key of the button @param {() => unknown} work */
  async function attempt(key, work) {
    if (busy) return;
    [busy, errors] = [key, {}];
    redraw();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      errors = { [key]: error.message };
    }
    busy = "";
    redraw();
  }

  /** Read what the room knows about them, again after each join. */
  function ask() {
    if (!room || room.status !== "joined" || asked === room.members) return;
    asked = room.members;
    act.people.find(name, user.id).catch((/** @type {unknown} */ error) => {
      if (!(error instanceof Refused)) throw error;
      errors = { facts: error.message };
      redraw();
    });
  }

  /** @param {string} key @param {string} label @param {IconName} sign @param {() => unknown} run @param {string} [kind] a class */
  const button = (key, label, sign, run, kind = "button") => html`<button type="button" class=${kind} data-act=${key}
    aria-disabled=${busy ? "true" : nothing} aria-describedby="profile-error-${key}" @click=${() => attempt(key, run)}>${icon(sign)}<span>${label}</span></button>`;
  const said = (/** @type {string} */ key) => html`<p id="profile-error-${key}" class="field-error" role="alert">${errors[key] ?? ""}</p>`;
  const dialog = (/** @type {string} */ which, /** @type {object} */ more = {}) => act.ui.dialog(which, { room: name, user: { ...user, name: shown() }, ...more });
  const shown = () => room?.presence.members.get(user.id)?.name ?? state.names.get(user.id) ?? user.name;

  async function message() {
    await act.people.direct(user.id);
    uncover();
  }

  function mentionThem() {
    const draft = state.drafts.get(name);
    const gap = draft && !/\s$/.test(draft) ? " " : "";
    act.writing.draft(name, `${draft}${gap}${mention("@", shown())} `);
    uncover();
    requestAnimationFrame(() => focusFirst(document.getElementById("message")));
  }

  async function toggleBlock() {
    if (state.blocked.has(user.id)) return act.people.unblock(user.id);
    return act.ui.dialog("confirm", {
      title: words.blockTitle(shown()),
      text: words.blockText,
      button: words.block,
      danger: true,
      run: () => act.people.block(user.id),
    });
  }

  async function copyId() {
    const done = await copy(user.id);
    act.ui.toast(done ? words.idCopied : page.common.notCopied, { error: !done });
  }

  /** @param {Member | undefined} member */
  function facts(member) {
    const unknown = room && isUnknown(room);
    const here = room && !unknown && isOnline(room, user.id);
    const sanction = (/** @type {string} */ text) => html`<li class="fact trouble">${icon("ban")}<span>${text}${member?.reason ? html`<span class="fact-more" dir="auto">${words.reason(member.reason)}</span>` : nothing}</span></li>`;
    const role = member?.role ?? (mine ? room?.role : undefined);
    return html`<ul class="facts">
      <li class="fact"><span class="online-dot ${here ? "on" : ""}" aria-hidden="true"></span>
        <span>${here ? words.here : member?.seen_at ? words.seen(ago(member.seen_at)) : unknown ? words.unknown : words.away}</span></li>
      ${role && room && !room.direct
        ? html`<li class="fact">${icon(role === "owner" ? "crown" : role === "moderator" ? "shield" : "user")}<span>${words.role(words.roles[role], room.title)}</span></li>`
        : nothing}
      ${kind ? html`<li class="fact">${icon("info")}<span>${words[kind]}</span></li>` : nothing}
      ${lasts(member?.muted_until) ? sanction(words.muted(until(member?.muted_until ?? ""))) : nothing}
      ${lasts(member?.banned_until) ? sanction(words.banned(until(member?.banned_until ?? ""))) : nothing}
      ${member?.invited_at ? html`<li class="fact">${icon("mail")}<span>${words.invited}</span></li>` : nothing}
    </ul>${said("facts")}`;
  }

  function block() {
    if (kind === "bot" && !state.blocked.has(user.id)) return nothing;
    if (kindOf(state.me?.id ?? "") === "guest") return html`<p class="profile-note">${words.blockGuest}</p>`;
    const blocked = state.blocked.has(user.id);
    return html`${blocked ? html`<p class="profile-note">${words.blocked}</p>` : nothing}
      <div class="profile-row">${button("block", blocked ? words.unblock : words.block, "user-x", toggleBlock)}</div>${said("block")}`;
  }

  /** @param {Member | undefined} member */
  function moderation(member) {
    if (!room || room.status !== "joined" || !room.mayModerate) return nothing;
    const others = [...state.rooms.values()].some((each) => each !== room && each.mayModerate && each.status === "joined");
    const invite = others && kind !== "claimed";
    const [banned, muted, here] = [lasts(member?.banned_until), lasts(member?.muted_until), isHere(room, user.id)];
    const may = outranks(room, member);
    if (!may && !invite) return html`<section class="profile-part"><h3>${words.moderation(room.title)}</h3><p class="profile-note">${words.higher}</p></section>`;
    const row = (/** @type {string} */ key, /** @type {unknown} */ content) => html`<div class="profile-row">${content}</div>${said(key)}`;
    return html`<section class="profile-part" aria-labelledby="profile-moderation">
      <h3 id="profile-moderation">${words.moderation(room.title)}</h3>
      ${may ? nothing : html`<p class="profile-note">${words.higher}</p>`}
      ${may && here && room.mayOwn && rolesToGive(room, user.id).length ? row("role", button("role", words.changeRole, "shield", () => dialog("role", { role: member?.role }))) : nothing}
      ${may && (muted || !banned)
        ? row("mute", muted
            ? button("mute", words.unmute, "volume-2", () => act.people.unmute(name, user.id))
            : button("mute", words.mute, "volume-x", () => dialog("sanction", { what: "mute" })))
        : nothing}
      ${may && member?.invited_at && !here ? row("withdraw", button("withdraw", words.withdraw, "undo-2", () => act.people.kick(name, user.id))) : nothing}
      ${!here && !banned && !member?.invited_at && kind !== "claimed" && room.info.kind !== "ephemeral"
        ? row("inviteHere", button("inviteHere", words.inviteHere, "user-plus", () => act.people.invite(name, user.id)))
        : nothing}
      ${may && here ? row("kick", button("kick", words.kick, "door-open", () => dialog("sanction", { what: "kick" }), "button danger")) : nothing}
      ${may
        ? row("ban", banned
            ? button("ban", words.unban, "undo-2", () => act.people.unban(name, user.id))
            : button("ban", words.ban, "ban", () => dialog("sanction", { what: "ban" }), "button danger"))
        : nothing}
      ${invite ? row("invite", button("invite", words.invite, "user-plus", () => dialog("invite"))) : nothing}
    </section>`;
  }

  return {
    title: () => words.title,
    kind: "profile",
    back: state.ui.panel ? () => act.ui.closeProfile() : undefined,
    draw: () => {
      ask();
      const member = room?.members.get(user.id);
      const person = { id: user.id, name: shown() };
      if (alike.names !== state.names.size || alike.shown !== person.name) {
        const known = [...state.names].map(([id, each]) => ({ id, name: each }));
        alike = { names: state.names.size, shown: person.name, ends: namesakes([person, ...known]) };
      }
      return html`
        <div class="profile-who">
          ${avatar(person)}
          <h3 class="profile-name" dir="auto">${nameOf(person, alike.ends)} ${mark(user.id)}</h3>
        </div>
        ${facts(member)}
        ${mine
          ? html`<p class="profile-note">${words.you}</p>`
          : html`<div class="profile-row">
                ${kind === "claimed" || state.blocked.has(user.id) ? nothing : button("message", words.message, "message-circle", message, "primary")}
                ${room?.status === "joined" && room.mayWrite && isHere(room, user.id) ? button("mention", words.mention, "at-sign", mentionThem) : nothing}
              </div>
              ${said("message")}
              ${block()}
              ${moderation(member)}`}
        <div class="profile-id"><span>${words.id}</span><code class="cut" title=${user.id} dir="ltr">${user.id}</code>
          <button type="button" class="icon-button small" aria-label=${words.copyId} title=${words.copyId} @click=${copyId}>${icon("copy")}</button></div>`;
    },
  };
}
