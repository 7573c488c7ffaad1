/**
 * Let the browser keep the page, so that it opens without a server. Browsers offer this over https and on localhost
 * alone. To be called once the page shows something: it takes some of the browser's time.
 */
export async function keepPage() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("service-worker.js");
  } catch (error) {
    // The server has just gone, or the user has turned storage off. The page works, and will try again when it is loaded.
    console.info("Parley cannot be opened without its server:", error);
  }
}
