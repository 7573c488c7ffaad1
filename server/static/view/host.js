import { styled } from "./style.js";

/**
 * Parts of the page that are loaded when they are opened: dialogs, and what the right-hand panel shows. Such a module
 * exports `open(context)`, which returns a part; what a part has to remember while it is open, its closure keeps.
 *
 * @typedef {import("../actions/index.js").Actions} Actions
 * @typedef {import("../state/state.js").State} State
 * @typedef {{state: State, act: Actions, data: Record<string, any>, redraw: () => void, close: () => void, uncover: () => void}}
 *   Context `data`: what it was opened with; `uncover`: close it if it covers the room, which is to be seen now
 * @typedef {{title: () => unknown, draw: () => unknown, focus?: () => void, closed?: () => void, kind?: string, back?: () => void}}
 *   Part `title`: text or a template; `focus`: put the keyboard where one begins; `closed`: it was closed; `kind`: a class;
 *   `back`: to what was shown before
 * @typedef {() => Promise<{open: (context: Context) => Part, style?: string}>} Load `style`: its style sheet, in css/
 */

/**
 * @param {Load} load @param {Context} context
 * @returns {Promise<Part | null>} null if it could not be loaded, which was said
 */
export async function openPart(load, context) {
  const loaded = await context.act.ui.load(async () => {
    const part = await load();
    if (part.style) await styled(part.style);
    return part;
  });
  if (loaded) return loaded.open(context);
  context.close();
  return null;
}
