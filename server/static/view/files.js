/** Files cannot be sent yet. Until then, one that is pasted or dropped is refused in words, and never replaces the page. */

/** Whether a paste has a picture or file, and no text. @param {ClipboardEvent} event */
export function isPicture({ clipboardData }) {
  // Text from an office program comes with a picture of itself: the text is what was meant.
  return Boolean(clipboardData?.files.length) && !clipboardData?.types.includes("text/plain");
}

/** @param {() => void} say tells why nothing happens */
export function refuseDrops(say) {
  const refuse = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // by itself the browser would open the file in place of the chat
    if (event.type === "drop") say();
  };
  document.addEventListener("dragover", refuse);
  document.addEventListener("drop", refuse);
}
