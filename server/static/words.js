import { common } from "./words/common.js";
import { log, notices } from "./words/log.js";
import { header, rooms, status } from "./words/shell.js";
import { trouble } from "./words/trouble.js";

/**
 * All texts of the first view, by subject: `words.rooms.heading`. A text that needs values is a function. Parts that
 * are loaded on demand import theirs from words/ themselves.
 */
export const words = Object.freeze({ common, header, log, notices, rooms, status, trouble });
