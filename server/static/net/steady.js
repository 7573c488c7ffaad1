let last = 0;
let behind = 0;

/**
 * The time for measuring how long something lasts, in milliseconds: as `Date.now`, which goes on while the computer sleeps, but
 * never back, also if somebody sets the clock back. A deadline in an hour would otherwise be one in nine.
 */
export function steady() {
  const now = Date.now();
  behind = Math.max(behind, last - now);
  return (last = now + behind);
}
