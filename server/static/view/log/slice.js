/**
 * Which of a room's lines are drawn: a stretch around what is read, so that the page stays small and each drawing is short
 * however many messages are loaded. No element, no scrolling.
 *
 * @typedef {import("../../state/timeline.js").Line} Line
 */

/** How many more lines are drawn at once when the reader comes near the edge. */
const STEP = 16;
/** The least height of a line in pixels, in the densest log. */
const LEAST = 22;

export class Slice {
  /** The seq of the first line; -Infinity for the beginning. */ #first = -Infinity;
  /** The seq of the last one; Infinity for the end. */ #last = Infinity;
  /** @type {Line[]} */ #lines = [];
  from = 0;
  to = 0;
  /** At most this many lines are drawn. */
  most = 100;

  /** @param {number} height in pixels that the lines must fill at least */
  fill(height) {
    this.most = STEP + Math.ceil(height / LEAST);
  }

  /** Whether lines are left out before and after. */
  get above() {
    return this.from > 0;
  }

  get below() {
    return this.to < this.#lines.length;
  }

  /** Begin again, around a message or at the end. @param {number|null} seq */
  reset(seq) {
    this.#lines = [];
    this.#first = seq === null ? -Infinity : seq;
    this.#last = seq === null ? Infinity : seq;
    if (seq !== null) this.#around = true;
  }

  #around = false;

  /**
   * @param {Line[]} lines @param {boolean} following whether to keep to the end
   * @returns {Line[]} those to draw
   */
  take(lines, following) {
    this.#lines = lines;
    if (following) this.#last = Infinity;
    this.from = this.#first === -Infinity ? 0 : this.#index(this.#first);
    this.to = this.#last === Infinity ? lines.length : Math.min(lines.length, this.#index(this.#last) + 1);
    if (this.#around) {
      this.#around = false;
      const half = Math.floor(this.most / 2);
      return this.#set(this.from - half, this.from + half);
    }
    const over = this.to - this.from - this.most;
    // A few more are no harm: each time some are left out, what is below moves up.
    if (following && over > STEP) return this.#set(this.to - this.most, this.to);
    if (!following && over > STEP) return this.#set(this.from, this.from + this.most);
    return lines.slice(this.from, this.to);
  }

  /** More lines above, fewer below. @returns {boolean} whether there were any */
  up() {
    if (!this.above) return false;
    const from = Math.max(0, this.from - STEP);
    this.#set(from, Math.min(this.to, from + this.most));
    return true;
  }

  /** More lines below, fewer above. @returns {boolean} */
  down() {
    if (!this.below) return false;
    const to = Math.min(this.#lines.length, this.to + STEP);
    this.#set(Math.max(this.from, to - this.most), to);
    return true;
  }

  /** @param {number} from @param {number} to */
  #set(from, to) {
    this.from = Math.max(0, from);
    this.to = Math.min(this.#lines.length, to);
    this.#first = this.from === 0 ? -Infinity : seqFrom(this.#lines, this.from);
    this.#last = this.to === this.#lines.length ? Infinity : seqBefore(this.#lines, this.to - 1);
    if (this.#first !== -Infinity) this.from = this.#index(this.#first);
    return this.#lines.slice(this.from, this.to);
  }

  /** The line of the first message that is not before `seq`, with what belongs above it. @param {number} seq */
  #index(seq) {
    const at = this.#lines.findIndex((line) => seqOf(line) >= seq);
    return at < 0 ? this.#lines.length : at;
  }
}

/** Infinity for an unsent message; -Infinity for what is none. @param {Line} line */
function seqOf(line) {
  return "seq" in line ? (line.seq ?? Infinity) : -Infinity;
}

/** The first seq from an index on. @param {Line[]} lines @param {number} at */
function seqFrom(lines, at) {
  for (let i = at; i < lines.length; i += 1) if (seqOf(lines[i]) > -Infinity) return seqOf(lines[i]);
  return Infinity;
}

/** The last seq up to an index. @param {Line[]} lines @param {number} at */
function seqBefore(lines, at) {
  for (let i = at; i >= 0; i -= 1) if (seqOf(lines[i]) > -Infinity && seqOf(lines[i]) < Infinity) return seqOf(lines[i]);
  return Infinity;
}
