/**
 * The reader's place in a scrolled list of elements: what is at the top of it, and bringing it back there after
 * something above has changed its height.
 */

const NEAR_END = 48; // px: still "at the end"

export class Scroll {
  /** @param {HTMLElement} box what scrolls @param {HTMLElement} lines its elements, one below the other */
  constructor(box, lines) {
    this.box = box;
    this.lines = lines;
  }

  get top() {
    return this.box.getBoundingClientRect().top;
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /** Distances of what is in sight from the first and the last line, in pixels. */
  get room() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    const above = scrollTop - this.lines.offsetTop;
    return { above, below: scrollHeight - scrollTop - clientHeight };
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  /** The elements from the topmost one in sight on, that are messages. */
  *fromTop() {
    const { top } = this;
    const all = /** @type {HTMLCollectionOf<HTMLElement>} */ (this.lines.children);
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (all[middle].getBoundingClientRect().bottom <= top) low = middle + 1;
      else high = middle;
    }
    // Not the line of a day: it moves up when older messages of its day are inserted.
    for (let i = low; i < all.length; i += 1) if (all[i].dataset.key) yield all[i];
  }

  /**
   * What is read now: the topmost messages, because the first of them may be gone when they are looked for. One that begins
   * above the log counts only if no other begins in it: with another width its end may be elsewhere.
   * @returns {{element: HTMLElement, key: string, seq: number|null, top: number}[]}
   */
  places(most = 8) {
    const found = [];
    for (const element of this.fromTop()) {
      const { key = "", seq } = element.dataset;
      const place = { element, key, seq: seq === undefined ? null : Number(seq), top: this.placeOf(element) };
      if (found.length === 1 && found[0].top < 0 && place.top < this.box.clientHeight) found.pop();
      found.push(place);
      if (found.length === most) break;
    }
    return found;
  }

  /** Scroll so that the first of these that is still there is where it was. @param {ReturnType<Scroll["places"]>} places */
  keep(places) {
    for (const { element, seq, top } of places) {
      const found = element.isConnected ? element : seq === null ? null : this.find(seq);
      if (found) return this.put(found, top);
    }
    return false;
  }

  /** The distance of a message's text from the top of the log. @param {Element} element */
  placeOf(element) {
    return topOf(element) - this.top;
  }

  /** @param {Element} element @param {number} top the distance of its text from the top of the log */
  put(element, top) {
    const moved = this.placeOf(element) - top;
    if (moved) this.box.scrollTop += moved;
    return true;
  }

  /** The element of a message, or of the first one after it. @param {number} seq @returns {HTMLElement | null} */
  find(seq) {
    for (const element of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.lines.children)) {
      if (element.dataset.seq !== undefined && Number(element.dataset.seq) >= seq) return element;
    }
    return null;
  }
}

/** Where a message's text begins: its head may come or go, as the messages above it do. @param {Element} message */
function topOf(message) {
  return (message.querySelector(":scope > .text") ?? message).getBoundingClientRect().top;
}
