/**
 * Shows the page without a server: keeps the page, and the files of its version that it has used, but no answers of the
 * API, and so no messages and nothing about users. All pages of a host share its caches, so their names include our
 * address.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const HOME = worker.registration.scope;
const PAGE = `${HOME}client.html`;
const PREFIX = `parley ${HOME} `;
/** An address of a file; the folder is named for its version. */
const FILE = /^static\/([0-9a-f]+)\/[^?]+$/;
/** How long the server may take before the kept page is shown, in milliseconds. */
const PATIENCE = 3000;

worker.addEventListener("install", (event) => {
  worker.skipWaiting();
  event.waitUntil(fetch(PAGE).then(keep));
});

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(HOME)) return;
  const path = request.url.slice(HOME.length).replace(/#.*/, "");
  const version = FILE.exec(path)?.[1];
  if (version) event.respondWith(file(request, version));
  else if (request.mode === "navigate" && /^(client\.html)?(\?|$)/.test(path)) event.respondWith(page(event));
});

// A notification was clicked: show the room in a page that is open, or in a new one.
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { room, seq } = event.notification.data ?? {};
  event.waitUntil(open(room, seq));
});

/** @param {string} room @param {number | null} seq */
async function open(room, seq) {
  const pages = await worker.clients.matchAll({ type: "window" });
  const page = pages.find(({ visibilityState }) => visibilityState === "visible") ?? pages[0];
  if (!page) return worker.clients.openWindow(`${PAGE}?r=${encodeURIComponent(room)}${seq === null ? "" : `&m=${seq}`}`);
  page.postMessage({ type: "notice", room, seq });
  return page.focus();
}

/**
 * A file as kept, or else from the server, and kept if it is of the kept page's version.
 * @param {Request} request @param {string} version
 */
async function file(request, version) {
  const kept = await caches.match(request, { cacheName: PREFIX + version });
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.status === 200 && (await caches.has(PREFIX + version))) {
    const cache = await caches.open(PREFIX + version);
    await cache.put(request, answer.clone());
  }
  return answer;
}

/** The page from the server, so that a new version is used at once; the kept one if the server does not answer soon. */
async function page(/** @type {FetchEvent} */ event) {
  const asked = fetch(event.request);
  const answered = asked.then((answer) => (answer.status < 500 ? answer : undefined), () => undefined);
  event.waitUntil(answered.then((answer) => answer && keep(answer.clone())));
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  return (await Promise.race([answered, late])) ?? (await keptPage(event.request)) ?? asked;
}

/** @param {Request} request @returns {Promise<Response | undefined>} */
async function keptPage(request) {
  const kept = await caches.match(PAGE);
  if (!kept || request.url.startsWith(PAGE)) return kept;
  return Response.redirect(PAGE + new URL(request.url).search);
}

/** Keep a page with its files instead of those of another version. @param {Response} answer */
async function keep(answer) {
  if (answer.status !== 200 || answer.redirected || !answer.url.startsWith(PAGE)) return;
  const text = await answer.clone().text();
  const files = [...new Set(text.match(/\bstatic\/[0-9a-f]+\/[^"]+/g))];
  const version = FILE.exec(files[0] ?? "")?.[1];
  if (!version) return; // not our page, but a proxy's
  const cache = await caches.open(PREFIX + version);
  const known = new Set((await cache.keys()).map((request) => request.url));
  await cache.addAll(files.map((path) => HOME + path).filter((url) => !known.has(url)));
  await cache.put(PAGE, answer);
  const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== PREFIX + version);
  await Promise.all(others.map((name) => caches.delete(name)));
}
