/** @type {Map<string, Promise<unknown>>} */ const styles = new Map();

/** Load a style sheet that the first view does not need. @param {string} name @returns {Promise<unknown>} */
export function styled(name) {
  const known = styles.get(name);
  if (known) return known;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../css/${name}.css`, import.meta.url).href;
  const loaded = new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = () => {
      styles.delete(name);
      link.remove();
      reject(new TypeError(`${link.href} could not be loaded`)); // as `import()` does;
    };
  });
  styles.set(name, loaded);
  document.head.append(link);
  return loaded;
}
