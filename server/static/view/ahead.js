import { words } from "../words.js";

/**
 * Keys for a part of the page that is being loaded, such as the switcher after Ctrl+K. What is typed until it is there must
 * not reach what had the keyboard before, which may be the message box: a dialog without anything but a field takes it.
 */

/** What Escape does. */ let cancel = () => {};
/** What has been loaded. @type {WeakMap<() => Promise<any>, any>} */ const ready = new WeakMap();
/** @type {HTMLDialogElement | undefined} */ let found;

/** The dialog and its field: not before they are wanted, as modules are also used without a page. */
function parts() {
  const box = found ?? /** @type {HTMLDialogElement} */ (document.getElementById("ahead"));
  const field = /** @type {HTMLInputElement} */ (box.querySelector("input"));
  if (found) return { box, field };
  found = box;
  box.addEventListener("cancel", (event) => {
    event.preventDefault();
    giveKeys();
    cancel();
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || !["Enter", "Tab"].includes(event.key)) return;
    event.preventDefault();
    field.readOnly ||= event.key === "Enter"; // what follows would be for what Enter opens
  });
  return { box, field };
}

/** Take the keyboard, if nothing modal has it. @param {() => void} onCancel */
export function takeKeys(onCancel) {
  cancel = onCancel;
  if (document.querySelector("dialog[open]")) return;
  const { box, field } = parts();
  field.value = "";
  field.readOnly = false;
  field.labels?.[0].firstChild?.replaceWith(words.common.loading);
  box.showModal();
}

/** Give it back, or to what `open` opens, with what was typed meanwhile. @param {() => void} [open] */
export function giveKeys(open) {
  const { box, field } = parts();
  const { value, readOnly } = field;
  const had = box.open;
  if (had) box.close(); // gives the focus back
  open?.();
  const into = /** @type {HTMLInputElement} */ (document.activeElement);
  if (!open || !had || typeof into.selectionStart !== "number") return; // no field of text
  if (value) {
    into.setRangeText(value, into.selectionStart, into.selectionEnd ?? 0, "end");
    into.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  if (readOnly) into.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
}

/**
 * Load what takes the keyboard, and open it, unless Escape was pressed meanwhile.
 * @template T @param {any} act @param {() => Promise<T>} load always the same function @param {(loaded: T) => void} open
 */
export async function openWithKeys(act, load, open) {
  if (ready.has(load)) return open(ready.get(load));
  let wanted = true;
  takeKeys(() => { wanted = false; });
  const loaded = await act.ui.load(load);
  if (loaded) ready.set(load, loaded);
  if (wanted) giveKeys(loaded ? () => open(loaded) : undefined);
}
