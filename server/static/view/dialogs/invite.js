import { order } from "../../state/people.js";
import { sanctions as words } from "../../words/profile.js";
import { Form } from "../form.js";

/**
 * Invite a person to another room of mine: `act.ui.dialog("invite", { room, user })`.
 *
 * @param {import("../host.js").Context} context `room`: where they are already @returns {import("../host.js").Part}
 */
export function open({ state, act, data, redraw, close }) {
  const { room: here, user } = data;
  const rooms = [...state.rooms.values()]
    .filter((room) => room.mayModerate && room.status === "joined" && room.name !== here)
    .sort((a, b) => order.compare(a.title, b.title));
  const form = new Form({
    fields: [{ name: "room", label: words.inviteRoom, value: rooms[0]?.name ?? "", options: rooms.map((room) => [room.name, room.title]) }],
    button: words.inviteButton,
    redraw,
    close,
    submit: async ({ room }) => {
      await act.people.invite(room, user.id);
      act.ui.toast(words.invited(user.name, state.rooms.get(room)?.title ?? room));
    },
  });
  return { title: () => words.inviteTitle(user.name), draw: () => form.draw(), focus: () => form.focus(), kind: "narrow" };
}
