let time = Date.now();
let date = time;
let ran = performance.now();

/**
 * The time for measuring how long something lasts, in milliseconds. It goes on while the computer sleeps, when `performance.now`
 * may stand still, and never back, as `Date.now` does if somebody sets the clock back: a deadline in an hour would be one in nine.
 */
export function steady() {
  const [before, runs] = [date, ran];
  [date, ran] = [Date.now(), performance.now()];
  return (time += Math.max(date - before, ran - runs));
}
