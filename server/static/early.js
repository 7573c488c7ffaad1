// Before the first paint: the page looks as it did when it was last used. It is no module, because modules run only
// after the page was parsed, and may be late for the first paint. view/look.js says what is kept here.
(() => {
  const path = new URL(".", document.baseURI).pathname;
  let look;
  try {
    look = JSON.parse(localStorage.getItem(`${path === "/" ? "parley." : `parley:${path}.`}look`) ?? "null");
  } catch (error) {
    console.debug(error); // storage is disabled: the page looks as the system wants it
  }
  const root = document.documentElement;
  if (look?.theme) root.dataset.theme = look.theme;
  if (look?.density) root.dataset.density = look.density;
  if (look?.size) root.style.fontSize = look.size;
})();
