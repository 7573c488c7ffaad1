import { Refused } from "../net/api.js";

/** How often moderators' pages ask: the server does not tell them of a report. In milliseconds. */
const EVERY = 60_000;

/**
 * Learn of new reports in the room in front, for those who moderate it: when it comes there, when the page does, and every
 * minute. The header then shows a dot.
 * @param {import("../state/state.js").State} state @param {any} act
 * @returns {() => void} to be called when the page is drawn
 */
export function watchReports(state, act) {
  let front = "";
  const moderated = () => (state.room?.status === "joined" && state.room.mayModerate ? state.front : "");
  async function ask() {
    const room = moderated();
    if (!room || document.hidden) return;
    try {
      await act.moderation.reports(room);
      state.changed();
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // the list of reports says why it cannot be read
    }
  }
  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
  return () => {
    if (front === moderated()) return;
    front = moderated();
    ask();
  };
}
