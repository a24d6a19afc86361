// Registers the service worker, which isolates the page and keeps its files.

import { session } from "../dgrl/page/state/storage.js";

const RELOADED = "dgrl-isolated";
/** Milliseconds after which the page starts without the service worker. */
const PATIENCE = 3000;

/** Make the page as isolated as it can be. A first visit reloads here once, before anything large has been loaded. */
export async function prepare() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // without HTTPS: the page works, with one thread, while the site can be reached
  // Browsers may forbid it, in private windows for example.
  const registration = await serviceWorker.register(new URL("./sw.js", import.meta.url)).catch(() => null);
  // A page in a frame is isolated only if the page around it is.
  if (!registration || window.crossOriginIsolated || window.top !== window.self) return;
  const late = new Promise((done) => setTimeout(done, PATIENCE, null));
  const ready = await Promise.race([serviceWorker.ready, givenUp(registration.installing), late]);
  if (!ready || session.read(RELOADED, "")) return;
  session.write(RELOADED, "yes");
  if (!session.read(RELOADED, "")) return; // without storage it would reload forever
  location.reload();
  await new Promise(() => {});
}

/**
 * Null once a service worker gives up.
 * @param {ServiceWorker | null} worker
 * @returns {Promise<null>}
 */
function givenUp(worker) {
  return new Promise((done) => {
    worker?.addEventListener("statechange", () => worker.state === "redundant" && done(null));
  });
}
