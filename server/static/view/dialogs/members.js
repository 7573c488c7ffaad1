import { html } from "../../vendor/lit-html/lit-html.js";
import { members as words } from "../../words/manage.js";
import { tabs } from "../tabs.js";
import { invitePeople } from "../manage/invite.js";
import { links } from "../manage/links.js";
import { banned, invited } from "../manage/lists.js";

/**
 * Who may come into a room, and who may not: `act.ui.dialog("members", { room, tab })`.
 *
 * @typedef {"invite"|"invited"|"links"|"banned"} Tab
 */

export const style = "manage";

const PARTS = { invite: invitePeople, invited, links, banned };
const PANEL = "members-panel";

/** @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open(context) {
  const { state, data, redraw } = context;
  /** @type {Tab} */ let chosen = data.tab ?? "invite";
  let part = PARTS[chosen](context);

  /** @param {Tab} key */
  function choose(key) {
    chosen = key;
    part = PARTS[key](context); // read again each time it is looked at
    redraw();
  }

  const title = state.rooms.get(data.room)?.title ?? data.room;
  return {
    title: () => words.title(title),
    kind: "tall",
    draw: () => html`${tabs({
        label: words.title(title),
        tabs: /** @type {[Tab, string][]} */ (Object.entries(words.tabs)),
        chosen,
        choose,
        panel: PANEL,
      })}
      <div id=${PANEL} class="tab-panel" role="tabpanel" aria-label=${words.tabs[chosen]}>${part()}</div>`,
  };
}
