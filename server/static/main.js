import { App } from "./app.js";
import { keepPage } from "./net/offline.js";
import { AccountView } from "./view/account-view.js";
import { Attention } from "./view/attention.js";
import { Composer } from "./view/composer.js";
import { byId } from "./view/dom.js";
import { EntryView } from "./view/entry.js";
import { LogView } from "./view/log/log.js";
import { drawLook } from "./view/look.js";
import { Shell } from "./view/shell.js";
import { MessageTools } from "./view/toolbar.js";

/** Draws the page. The state changes, then everything is drawn once, in the next frame. */

const app = new App({
  onChange: schedule,
  onMessage: (room, message, mention) => attention.onMessage(room, message, mention),
  onInvited: (invitation) => attention.onInvited(invitation),
});
const { state, act } = app;
drawLook(state);

/** @type {LogView} */
const log = new LogView(byId("log-frame"), state, act, () => composer.focus());
const composer = new Composer(byId("composer-frame"), state, act, log);
const tools = new MessageTools(state, act, log.box, composer);
const attention = new Attention(state, act);
const shell = new Shell(state, act);
const entry = new EntryView(state, act);
const accounts = new AccountView(state, act);

let scheduled = false;
let keeping = false; // whether the browser was asked to keep the page

/** Draw in the next frame. A hidden page gets no frames, but its title shows the unread count. */
function schedule() {
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
    tools.draw();
    composer.draw();
  }
  shell.draw(view);
  entry.draw();
  accounts.draw();
  attention.draw();
  if (!keeping && state.room?.loaded) setTimeout(keepPage); // after what matters to the user
  keeping ||= state.room?.loaded ?? false;
}

/** New messages count as read if the page is in front and the log at its end. */
function look() {
  act.reading.look(state.ui.following, !document.hidden && document.hasFocus());
}

for (const event of ["focus", "blur"]) addEventListener(event, look);
document.addEventListener("visibilitychange", look);

look();
await app.begin();
