import { invite } from "./invite.js";
import { confirmEmail, confirmed, forgotten, incomplete, reset } from "./recovery.js";
import { denied, firstAdmin, register, signIn } from "./sign.js";
import { profile } from "./profile.js";

/** Every page about accounts, by name. */
export const PAGES = { signIn, register, denied, firstAdmin, invite, forgotten, reset, incomplete, confirmEmail, confirmed, profile };
