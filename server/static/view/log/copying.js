import { plain } from "../markdown/text.js";
import { words } from "../../words.js";
import { timeText } from "../time.js";

/**
 * Copying a stretch of conversation: a line for each message, with its author and time. A part of one message is copied
 * as it is.
 *
 * @typedef {import("../../state/timeline.js").MessageLine} MessageLine
 */

/** Lines after the first are indented: one with a name and a time would look like a message of somebody else. */
const BREAK = /\r\n?|[\n\v\f\u0085\u2028\u2029]/g;

/** @param {HTMLElement} lines @param {(key: string) => MessageLine | undefined} lineOf the line that an element shows */
export function copyConversation(lines, lineOf) {
  lines.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (!selection?.rangeCount || !event.clipboardData) return;
    const range = selection.getRangeAt(0);
    const selected = [...lines.querySelectorAll(":scope > .msg")].filter((each) => range.intersectsNode(each));
    const told = selected.flatMap((each) => {
      const line = lineOf(/** @type {HTMLElement} */ (each).dataset.key ?? "");
      const part = line ? partOf(each, range, line) : "";
      return line && part.trim() ? [words.log.copy(line.name, timeText(line.at), part.replace(BREAK, "\n    "))] : [];
    });
    if (selected.length < 2 || !told.length) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", told.join("\n"));
  });
}

/** The selected part of a message's text. @param {Element} message @param {Range} range @param {MessageLine} line */
function partOf(message, range, line) {
  const text = message.querySelector(".text");
  if (!text) return "";
  const whole = document.createRange();
  whole.selectNodeContents(text);
  const starts = range.compareBoundaryPoints(Range.START_TO_START, whole) <= 0;
  const ends = range.compareBoundaryPoints(Range.END_TO_END, whole) >= 0;
  if (starts && ends) return plain(line.message?.content ?? line.unsent?.content ?? "");
  if (!starts) whole.setStart(range.startContainer, range.startOffset);
  if (!ends) whole.setEnd(range.endContainer, range.endOffset);
  return whole.toString();
}
