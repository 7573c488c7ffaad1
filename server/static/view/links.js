/**
 * Addresses to share: of a room, or of a message in it; never with a name.
 * @param {string} room @param {number | null} [seq]
 */
export function addressOf(room, seq = null) {
  const asked = new URLSearchParams({ r: room, ...(seq === null ? {} : { m: String(seq) }) });
  return new URL(`?${asked}`, location.origin + location.pathname).href;
}

/** Put a text into the clipboard. @param {string} text @returns {Promise<boolean>} */
export async function copy(text) {
  if (navigator.clipboard) {
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false); // refused by the browser
    if (done) return true;
  }
  // On plain http beyond localhost there is only this.
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}

/** Whether a click on a link is for the browser: a new tab or window. @param {MouseEvent} event */
export const isForBrowser = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0;
