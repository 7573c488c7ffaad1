import { DIRECTION, LOCALE } from "../words/format.js";
import { useClock } from "./time.js";

/**
 * What the settings make of the whole page: theme, density, size of the type, clock.
 *
 * @typedef {import("../state/state.js").State} State
 */

let drawn = "";

/** @param {State} state @returns {boolean} whether it is another look now */
export function drawLook({ settings, browser }) {
  const { theme, density, fontSize, clock } = settings.values;
  const look = {
    theme: theme === "system" ? "" : theme,
    density: density === "compact" ? density : "",
    size: fontSize === 100 ? "" : `${Math.min(150, Math.max(80, fontSize))}%`,
  };
  const now = JSON.stringify([look, clock]);
  if (now === drawn) return false;
  drawn = now;
  const root = document.documentElement;
  set(root, "theme", look.theme);
  set(root, "density", look.density);
  root.style.fontSize = look.size;
  root.lang = LOCALE;
  root.dir = DIRECTION;
  useClock(clock);
  const kept = browser.get("look");
  // For early.js, which does the same before the first paint.
  if (JSON.stringify(kept ?? { theme: "", density: "", size: "" }) !== JSON.stringify(look)) browser.set("look", look);
  paintBrowser();
  return true;
}

/** @param {HTMLElement} root @param {string} name @param {string} value "" for none */
function set(root, name, value) {
  if (value) root.dataset[name] = value;
  else delete root.dataset[name];
}

/** The browser's own bars have the colour of a chosen theme: the first of these elements that fits counts. */
function paintBrowser() {
  document.getElementById("chosen-color")?.remove();
  if (!document.documentElement.dataset.theme) return;
  const meta = document.createElement("meta");
  meta.id = "chosen-color";
  meta.name = "theme-color";
  meta.content = getComputedStyle(document.body).backgroundColor;
  document.head.prepend(meta);
}
