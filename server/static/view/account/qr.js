import { html } from "../../vendor/lit-html/lit-html.js";
import { encode } from "../../vendor/uqr/uqr.js";

const QUIET = 4; // modules of white around it, by the standard

/** A text as a QR code: dark on white in every theme, for cameras. @param {string} text @param {string} label */
export function qrCode(text, label) {
  const { data, size } = encode(text, { border: QUIET });
  const dark = data.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : []))).join("");
  return html`<svg class="qr" role="img" aria-label=${label} viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path d=${dark}></path></svg>`;
}
