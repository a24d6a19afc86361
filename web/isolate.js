// Registers the service worker, which isolates the page and caches its files.

import { session } from "../dgrl/page/state/storage.js";

const RELOADED = "dgrl-isolated";
/** Milliseconds after which the page starts without the service worker. */
const PATIENCE = 3000;

/** Isolate the page if possible. On a first visit this reloads the page, before anything large has been loaded. */
export async function prepare() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // without HTTPS the page works with one thread, and only online
  // Browsers may forbid service workers, for example in private windows.
  const registration = await serviceWorker.register(new URL("./sw.js", import.meta.url)).catch(() => null);
  // A page in a frame is isolated only if the surrounding page is.
  if (!registration || window.crossOriginIsolated || window.top !== window.self) return;
  const late = new Promise((done) => setTimeout(done, PATIENCE, null));
  const ready = await Promise.race([serviceWorker.ready, givenUp(registration.installing), late]);
  if (!ready || session.read(RELOADED, "")) return;
  session.write(RELOADED, "yes");
  if (!session.read(RELOADED, "")) return; // without storage, the page would reload for ever
  location.reload();
  await new Promise(() => {});
}

/**
 * Resolves to null when a service worker fails to install.
 * @param {ServiceWorker | null} worker
 * @returns {Promise<null>}
 */
function givenUp(worker) {
  return new Promise((done) => {
    worker?.addEventListener("statechange", () => worker.state === "redundant" && done(null));
  });
}
