import { fill, plural, table } from "./format.js";

/** The pages about accounts. */
export const account = table({
  /** A title for the window. @param {string} page */
  windowTitle: (page) => fill("{page} · Parley", { page }),
  continue: "Continue",
  tryAgain: "Try again",

  // fields
  /** What may be wrong, by the fields that prove who the user is. The server does not say which of them it is.
   * @type {Record<string, string>} */
  wrong: {
    password: "The password is wrong.",
    code: "The code is wrong.",
    "password code": "The password or the code is wrong.",
    "username password": "The username or the password is wrong.",
    "username password code": "The username, the password or the code is wrong.",
    "mail password": "The username, the e-mail or the password is wrong.",
    "mail password code": "The username, the e-mail, the password or the code is wrong.",
  },
  wrongCode: "The code is wrong or has been used already. Codes change every 30 seconds.",
  username: "Username",
  usernameChosen: "You sign in with it. Others can see it.",
  usernameOrMail: "Username or e-mail",
  password: "Password",
  oldPassword: "Current password",
  newPassword: "New password",
  passwordHint: "At least 8 characters. A few unrelated words are easy to remember and hard to guess.",
  code: "Code",
  codeHint: "From your authenticator app, or one of your recovery codes.",
  codeRequired: "This account has a second factor. Enter the code of your authenticator app, or one of your recovery codes.",
  name: "Name that others see",
  nameHint: "Your username if you leave this empty.",
  mail: "E-mail",
  mailOptional: "E-mail (optional)",
  mailHint: "Only to reset a forgotten password. You receive a link that confirms it.",

  // signing in
  signIn: "Sign in",
  register: "Create an account",
  create: "Create account",
  hasAccount: "I have an account",
  forgot: "Forgot your password?",
  closed: "This server accepts no new accounts.",
  inviteOnly: "This server accepts new accounts only with an invite link to register. Open the link that you received.",
  /** @param {string} address */
  mailed: (address) => fill("A mail was sent to {address}: open the link in it to confirm this address.", { address }),
  denied: "You cannot enter",
  firstAdmin: "Create the first admin",
  firstAdminLead: "This link works once.",

  // links by mail
  reset: "Reset your password",
  resetHow: "You receive a link to set a new password, at the e-mail address that you have confirmed.",
  resetSend: "Send a link",
  resetSent: "If there is such an account with a confirmed e-mail, a link is on its way. It works once, within 30 minutes.",
  resetBack: "Back to sign in",
  resetLate: "This link has expired, or was used. Ask for a new one.",
  set: "Set a new password",
  setButton: "Set the password",
  setDone: "The password is set, and all devices were signed out. Sign in with it.",
  confirmMail: "Confirm your e-mail",
  confirmWhose: "Confirm that {address} is yours.",
  confirmAny: "Confirm that the address to which this link was sent is yours.",
  confirm: "Confirm",
  confirmLate: "This link has expired, or was used. If the address is not confirmed yet, enter it again on the page of your account.",
  confirmed: "E-mail confirmed",
  confirmedLead: "You can use it to reset a forgotten password.",
  incomplete: "This link is not complete",
  incompleteLead: "A part of it is missing. Copy the whole link, and open it again.",

  // invite links
  invited: "You are invited",
  invitedHasOne: "This link is for making an account. You have one: you are signed in as {name}.",
  invitedAs: "You enter the room {room} as {name}.",
  invitedChoose: "To the room {room}. Choose how you want to take part.",
  invitedChooseOnly: "To the room {room}. Choose how you want to take part. New accounts need a link of their own.",
  invitedSignIn: "To the room {room}. Sign in to enter.",
  invitedSignInOnly: "To the room {room}. Sign in to enter. New accounts need a link of their own.",
  accept: "Accept",
  invitedIn: "You are in the room {room} already, as {name}.",
  openRoom: "Open the room",
  yourName: "Your name",
  /** @param {string} name of a guest of this browser */
  enterAs: (name) => fill("Enter as {name}", { name }),
  otherGuest: "Enter under another name",
  /** @param {string} name */
  otherGuestHint: (name) => fill("Under another name you are somebody else: the rooms and messages of {name} stay with {name}.", { name }),
  asGuest: "Enter as a guest",
  notYou: "You may not enter this room.",
  notGuest: "You may not enter this room as a guest. Sign in to use the link.",
  useless: "This invite link does not work",
  uselessIn: "It has expired, was used up, or was revoked. If you used it before, you need it no more. Otherwise ask for a new one.",
  uselessOut:
    "It has expired, was used up, or was revoked. If you have made an account with it, sign in. Otherwise ask for a new one.",

  // my own account
  title: "Your account",
  /** By role, "" for others. @type {Record<string, string>} */
  signedInAs: {
    "": "Signed in as {name}.",
    admin: "Signed in as {name}, an admin.",
    organizer: "Signed in as {name}, an organizer.",
  },
  partName: "Name",
  nameChange: "Change name",
  nameChanged: "Your name is changed.",
  mailNew: "New e-mail",
  mailRemove: "Remove the address",
  mailRemoveLead: "Without an address, a forgotten password cannot be reset.",
  mailChange: "Change e-mail",
  mailNone: "No confirmed address, so a forgotten password cannot be reset.",
  mailRemoved: "The address is removed.",
  /** @param {string} address */
  mailConfirmed: (address) => fill("Confirmed: {address}.", { address }),
  passwordChange: "Change password",
  passwordChanged: "Your password is changed. All other devices were signed out.",
  guests: "Your rooms and messages as a guest",
  guestLead: "In this browser you were the guest {name}. Its rooms, roles and messages can become those of your account.",
  notNow: "Not now",
  guestLater: "You can also do this later: the settings have it under Account.",
  guestKeep: "Keep what I wrote",
  guestKept: "Done. What you wrote as this guest is yours now.",
  data: "Your data",
  dataLead: "Everything that the server holds about you, in a zip file.",
  dataGet: "Download your data",
  signOut: "Sign out",
  remove: "Delete the account",
  removeLead: "This cannot be undone. Your messages stay, with “deleted user” as their author, unless you have them deleted, too.",
  removeMessages: "Delete my messages, too",
  removeButton: "Delete my account",
  removed: "Your account is deleted.",

  // second factor
  factor: "Second factor",
  factorOff: "Off. With a second factor, signing in also takes a code from an app on your phone.",
  factorOn: (/** @type {number} */ n) =>
    n === 0 ? "On. No recovery codes are left." : plural(n, { one: "On. One recovery code is left.", other: "On. {n} recovery codes are left." }),
  turnOn: "Turn on",
  turnOff: "Turn off",
  turnOffLong: "Turn the second factor off",
  secret: "Add this key to your authenticator app, then enter the code that it shows:",
  secretScan: "Scan this code with your authenticator app, or enter the key there. Then enter the code that the app shows.",
  secretCode: "The key, for the authenticator app to scan",
  secretCopy: "Copy the key",
  cancel: "Cancel",
  copied: "Copied.",
  notCopied: "This browser did not copy it. Write it down.",
  secretOpen: "Open the app on this device",
  codes: "Recovery codes",
  codesLead: "Keep these recovery codes in a safe place. Each signs you in once without the app. They are shown only now:",
  codesCopy: "Copy them",
  codesKept: "I have saved them",
  codesNew: "New recovery codes",
  codesMake: "Make new recovery codes",

  // devices
  devices: "Signed-in devices",
  devicesOthers: "Sign out all other devices",
  devicesOthersDone: "All other devices were signed out.",
  deviceThis: "this device",
  /** @param {string} device */
  deviceEnd: (device) => fill("Sign out {device}", { device }),
  /** @param {string} device */
  deviceEnded: (device) => fill("{device} was signed out.", { device }),
  deviceUnknown: "Unknown device",
  /** @param {string} browser @param {string} system */
  deviceOn: (browser, system) => fill("{browser} on {system}", { browser, system }),
  /** @param {string} address @param {string} time */
  deviceUsed: (address, time) => fill(address ? "{address}, last used {time}" : "last used {time}", { address, time }),
});
