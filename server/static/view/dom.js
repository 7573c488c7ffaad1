/**
 * Build elements. Data from the wire becomes text, never markup: this client does not use innerHTML.
 */

/**
 * @param {string} id
 * @returns {any} the element of client.html with this id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`client.html has no #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {Record<string, string | boolean | undefined | ((event: any) => void)>} [attributes] a function listens to
 *   the event of that name; `true` and `""` set the attribute, `false` and `undefined` leave it out
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Set text only if it differs: a live region is announced on every write. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  sent: "M3.5 8.5l3 3 6-7",
  waiting: "M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  failed: "M8 4.6v4.2M8 11.3v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  close: "M4 4l8 8M12 4l-8 8",
};

/** @param {keyof typeof ICONS} name @returns {SVGElement} hidden from screen readers: the text says it */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
