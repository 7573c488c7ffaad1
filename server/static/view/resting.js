/**
 * A pointer that rests, and what comes under it: a list has moved, and the hand was about to click on what was there before.
 */

/** Milliseconds in which nobody sees what has come. */
const UNSEEN = 500;

/** Have clicks do nothing on what has just come under a resting mouse. @param {HTMLElement} box */
export function guardClicks(box) {
  let [x, y, since] = [NaN, NaN, -Infinity];
  /** @type {Element | null} */ let under = null;

  /** @param {MouseEvent} event */
  function follow(event) {
    const now = /** @type {Element} */ (event.target).closest("a, button");
    if (Math.abs(event.screenX - x) < 1 && Math.abs(event.screenY - y) < 1) {
      if (now !== under) since = event.timeStamp;
    } else since = -Infinity;
    [x, y, under] = [event.screenX, event.screenY, now];
  }

  box.addEventListener("pointerover", follow, { passive: true });
  box.addEventListener("pointermove", follow, { passive: true });
  const guard = (/** @type {MouseEvent} */ event) => {
    if (event.detail === 0 || /** @type {PointerEvent} */ (event).pointerType !== "mouse") return; // by a key, or a finger
    follow(event);
    if (event.timeStamp - since > UNSEEN) return;
    event.preventDefault();
    event.stopPropagation();
  };
  box.addEventListener("click", guard, { capture: true });
}
