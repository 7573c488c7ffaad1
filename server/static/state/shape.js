/**
 * What data from outside must have, which may be of another version, or written by somebody else.
 *
 * @typedef {(value: any) => boolean} Fits
 */

/** @type {Fits} */ export const text = (value) => typeof value === "string";
/** @type {Fits} */ export const number = (value) => Number.isFinite(value);
/** @type {Fits} */ export const whole = (value) => Number.isSafeInteger(value);
/** @type {Fits} */ export const moment = (value) => text(value) && !Number.isNaN(Date.parse(value));
/** @param {Fits} fits @returns {Fits} */ export const maybe = (fits) => (value) => value === undefined || value === null || fits(value);
/** @param {Fits} fits @returns {Fits} */ export const all = (fits) => (value) => Array.isArray(value) && value.every(fits);
/** @type {Fits} */ export const object = (value) => typeof value === "object" && value !== null;

/** @param {Record<string, Fits>} fields @returns {Fits} */
export const has = (fields) => {
  const entries = Object.entries(fields);
  return (value) => object(value) && entries.every(([name, fits]) => fits(value[name]));
};

export const user = has({ id: text, name: text });
export const replyHead = has({ seq: whole, sender: maybe(text), content: maybe(text) });
