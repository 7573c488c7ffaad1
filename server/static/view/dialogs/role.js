import { rolesToGive } from "../../state/standing.js";
import { profile, sanctions as words } from "../../words/profile.js";
import { Form } from "../form.js";

/**
 * Give a person another role: `act.ui.dialog("role", { room, user, role })`.
 *
 * @param {import("../host.js").Context} context `role`: the present one @returns {import("../host.js").Part}
 */
export function open({ state, act, data, redraw, close }) {
  const { room: name, user } = data;
  const room = /** @type {import("../../state/room.js").Room} */ (state.rooms.get(name));
  const roles = rolesToGive(room, user.id);
  /** @type {Form} */
  const form = new Form({
    fields: [
      {
        name: "role",
        label: words.role,
        value: data.role ?? "member",
        options: roles.map((role) => [role, profile.roles[role]]),
        get hint() {
          return words.roleHints[/** @type {keyof typeof words.roleHints} */ (form.values.role)];
        },
      },
    ],
    button: words.roleButton,
    redraw,
    close,
    submit: async ({ role }) => {
      if (role !== data.role) await act.people.setRole(name, user.id, /** @type {typeof roles[number]} */ (role));
    },
  });
  return { title: () => words.roleTitle(user.name), draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
