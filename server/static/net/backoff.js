/**
 * Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): the clients of a
 * restarted server reconnect spread over time, not all at once.
 */
export class Backoff {
  /**
   * @param {{first?: number, cap?: number, random?: () => number}} [options] milliseconds: the bound of the first
   *   pause, and of any pause
   */
  constructor({ first = 1000, cap = 30000, random = Math.random } = {}) {
    this.first = first;
    this.cap = cap;
    this.random = random;
    this.tries = 0;
  }

  /** Milliseconds to wait now: anything from 0 to a bound that doubles with each call, up to the cap. */
  next() {
    const bound = Math.min(this.cap, this.first * 2 ** Math.min(this.tries, 30));
    this.tries += 1;
    return this.random() * bound;
  }

  /** Start again with the first pause. */
  reset() {
    this.tries = 0;
  }
}
