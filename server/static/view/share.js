import { byId, setText } from "./dom.js";

/** Copies the address of the room, without the user's name. */
export class ShareButton {
  #button = byId("share");
  #text = byId("share-text");
  #said = byId("share-said");
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {() => string} address */
  constructor(address) {
    this.#button.addEventListener("click", async () => {
      this.#say((await copy(address())) ? "Link copied" : "Copy the address bar");
    });
  }

  /** @param {string} room */
  render(room) {
    this.#button.title = `Copy the link to ${room}`;
  }

  /** @param {string} text */
  #say(text) {
    setText(this.#text, text);
    setText(this.#said, text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      setText(this.#text, "Copy link");
      setText(this.#said, "");
    }, 2500);
  }
}

/** Put a text into the clipboard. @param {string} text @returns {Promise<boolean>} `navigator.clipboard` is missing on plain http beyond localhost */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
