import { LOAD_AGAIN } from "./actions/ui.js";
import { App } from "./app.js";
import { keepPage } from "./net/offline.js";
import { AccountView } from "./view/account-view.js";
import { giveKeys, takeKeys } from "./view/ahead.js";
import { Composer } from "./view/composer.js";
import { LogView } from "./view/log/log.js";
import { drawLook } from "./view/look.js";
import { withMenus } from "./view/room-parts.js";
import { Shell } from "./view/shell.js";
import { styled } from "./view/style.js";

/** Draws the page. The state changes, then everything is drawn once, in the next frame. */

const app = new App({
  onChange: schedule,
  onMessage: (room, message, mention) => attend((attention) => attention.onMessage(room, message, mention)),
  onInvited: (invitation) => attend((attention) => attention.onInvited(invitation)),
  onSignOut: () => attention?.end(),
});
const { state, act } = app;
drawLook(state);

const frame = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {LogView} */
const log = new LogView(frame("log-frame"), state, act);
const composer = new Composer(frame("composer-frame"), state, act, log);
const loadTools = async () => {
  const [{ MessageTools }] = await Promise.all([import("./view/toolbar.js"), styled("toolbar")]);
  return new MessageTools(state, act, log.box, composer);
};
const tools = onceLoaded(loadTools, { asked: false });
/** What tells of messages. @type {import("./view/attention.js").Attention | null} */ let attention = null;
/** What it is to tell once it is loaded. @type {((part: import("./view/attention.js").Attention) => void)[]} */ const untold = [];
const attend = (/** @type {typeof untold[number]} */ tell) => (attention ? tell(attention) : untold.push(tell) > 50 && untold.shift());
const dialogs = onceLoaded(async () => new (await import("./view/dialogs/host.js")).DialogHost(state, act), { failed: act.ui.closeDialog });
const shell = new Shell(state, act, dialogs);
const entry = onceLoaded(async () => {
  const [{ EntryView }] = await Promise.all([import("./view/entry.js"), styled("entry"), import("./actions/entering.js"), import("./actions/asking.js")]);
  return new EntryView(state, act);
});
const accounts = new AccountView(state, act);

let scheduled = false;
/** For which keys are taken. */ let dialog = state.ui.dialog;
let shown = false; // whether a room was
let watchReports = () => {};

/** Draw in the next frame. A hidden page gets no frames, but its title shows the unread count. */
function schedule() {
  if (dialog !== state.ui.dialog) {
    dialog = state.ui.dialog;
    if (dialog) takeKeys(act.ui.closeDialog);
    else giveKeys();
  }
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(draw, 200);
  else requestAnimationFrame(draw);
}

function draw() {
  scheduled = false;
  drawLook(state);
  const { view } = state.ui;
  document.body.dataset.view = view;
  if (view === "chat") {
    log.draw();
    if (shown) tools.draw();
    composer.draw();
  }
  accounts.draw();
  shell.draw(view);
  if (view === "entry" || entry.loaded) entry.draw();
  attention?.draw();
  app.covers?.sync();
  watchReports();
  if (!shown && state.room?.loaded) setTimeout(afterRoom); // once the browser has painted it
}

/** Load what the first view of a room does not need. */
function afterRoom() {
  if (shown) return;
  shown = true;
  schedule();
  keepPage();
  app.keeping.begin();
  app.watchCovers();
  act.ui.eventually(() => import("./view/attention.js")).then((part) => {
    attention = new part.Attention(state, act);
    for (const tell of untold) tell(attention);
    schedule();
  });
  act.ui.eventually(() => import("./view/lookalikes.js")).then((part) => part.compareLooks(schedule));
  act.ui.eventually(() => import("./view/log/copying.js")).then((part) => part.copyConversation(log.lines, (key) => log.lineOf(key)));
  act.ui.eventually(() => import("./view/log/walk-keys.js")).then((part) => part.walkByKeys(log.walk, { end: () => log.toEnd(), leave: () => composer.focus() }));
  withMenus(act, () => {}, { asked: false });
  act.ui.eventually(() => import("./view/watch-reports.js")).then((part) => {
    watchReports = part.watchReports(state, act);
    schedule();
  });
  act.ui.load(() => Promise.all([import("./view/dialogs/host.js"), import("./view/switcher.js"), styled("dialog")]), { asked: false });
}

/**
 * A view that is loaded when it is first drawn.
 * @param {() => Promise<{draw: () => void}>} load
 * @param {{asked?: boolean, failed?: () => void}} [options] `asked`: whether the user waits for it; `failed`: forget what they
 *   asked for, instead of trying again: what opens much later is in the way
 */
function onceLoaded(load, { asked = true, failed } = {}) {
  /** @type {{draw: () => void} | null} */
  let view = null;
  let loading = false;
  return {
    get loaded() {
      return view !== null;
    },
    async draw() {
      if (view) return view.draw();
      if (loading) return undefined;
      loading = true;
      view = await act.ui.load(load, { asked });
      if (view) return schedule();
      if (!failed) await new Promise((resolve) => setTimeout(resolve, LOAD_AGAIN));
      loading = false;
      return failed ? failed() : schedule();
    },
  };
}

/** New messages count as read if the page is in front and the log at its end. */
function look() {
  act.reading.look(state.ui.following, !document.hidden && document.hasFocus());
}

for (const event of ["focus", "blur"]) addEventListener(event, look);
document.addEventListener("visibilitychange", look);

look();
await app.begin();
