import { table } from "./format.js";

/** What leads to unread rooms that are out of sight. */
export const unseen = table({
  more: "More unread",
  above: "More unread above",
  below: "More unread below",
});
