import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { Refused } from "../../net/api.js";
import { order } from "../../state/people.js";
import { actions as words } from "../../words/actions.js";
import { words as common } from "../../words.js";
import { avatar } from "../avatar.js";
import { mark, nameOf, namesakes } from "../names.js";

/** Who has read up to a message: `act.ui.dialog("seen", { room, seq })`.
 * @param {import("../host.js").Context} context @returns {import("../host.js").Part} */
export function open({ act, data, redraw }) {
  let [busy, error] = [true, ""];
  act.people.members(data.room) // only this tells what those have read who were here before me
    .catch((/** @type {unknown} */ problem) => {
      if (!(problem instanceof Refused)) throw problem;
      error = problem.message;
    })
    .finally(() => {
      busy = false;
      redraw();
    });
  return {
    title: () => words.seenTitle,
    kind: "narrow",
    draw: () => {
      /** @type {import("../../state/types.js").User[]} */
      const users = act.messages.seenBy(data.room, data.seq);
      users.sort((a, b) => order.compare(a.name, b.name));
      const alike = namesakes(users);
      if (!users.length) return html`<p class="dialog-note" role="status">${busy ? common.common.loading : error || words.seenNobody}</p>`;
      return html`<p class="dialog-note" role="status">${words.seenCount(users.length)}</p>
        <ul class="dialog-list">${users.map((user) => html`<li class="seen">${avatar(user)}<span class="cut">${nameOf(user, alike)}</span>${mark(user.id)}</li>`)}</ul>
        ${error ? html`<p class="field-error" role="alert">${error}</p>` : nothing}`;
    },
  };
}
