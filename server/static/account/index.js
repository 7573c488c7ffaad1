import { invite } from "./invite.js";
import { confirmEmail, confirmed, forgotten, incomplete, reset } from "./recovery.js";
import { denied, firstAdmin, register, signIn } from "./sign.js";
import { profile } from "./profile.js";

/** Every page about accounts, by name, and those that a link leads to. */
export const PAGES = { signIn, register, denied, firstAdmin, invite, forgotten, reset, incomplete, confirmEmail, confirmed, profile };
export const LINKED = /** @type {const} */ ({ reset: "reset", email: "confirmEmail", admin: "firstAdmin", invite: "invite" });
