import { App } from "./app.js";
const app = new App({ onChange: () => {}, onMessage: () => {} });
/** @type {any} */ (globalThis).app = app;
document.body.dataset.view = "x";
await app.begin();
