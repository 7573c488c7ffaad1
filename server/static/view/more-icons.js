import { ICONS } from "../vendor/lucide/icons.js";
import { ICONS as MORE } from "../vendor/lucide/more-icons.js";
import { drawn } from "./icons.js";

const ALL = { ...ICONS, ...MORE };

/** @param {keyof typeof ALL} name @returns any icon, for what is loaded on demand */
export const icon = (name) => drawn(ALL[name]);
