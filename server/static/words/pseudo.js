/**
 * Texts as of a language that nobody speaks, but everybody can read: each letter has an accent, and each text is a third
 * longer, as in German or Finnish. Names in braces stay. No letter of ASCII is left: one that is on the page comes from elsewhere.
 */

const ACCENTED = "àƀçđéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž";
const [OPEN, CLOSE] = ["⟦", "⟧"];

/** @param {string} text @returns {string} */
export function pseudo(text) {
  if (!text.trim() || text.includes(OPEN)) return text; // nothing, or made of templates that are done
  let letters = 0;
  const all = text.replace(/\{\w+\}|[a-z]/gi, (found) => {
    if (found.length > 1) return found;
    letters += 1;
    const accented = ACCENTED[(found.charCodeAt(0) & 31) - 1];
    return found < "a" ? accented.toUpperCase() : accented;
  });
  if (!letters) return text; // a sign, or a number
  return `${OPEN}${all}${" ·".repeat(Math.ceil(letters / 6))}${CLOSE}`;
}
