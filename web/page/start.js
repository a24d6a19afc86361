// Before anything else: the service worker, which keeps the page for later and isolates it.

import { keep, recall } from "../../dgrl/app/script/storing.js";

const TRIED = "dgrl-isolated";

/**
 * Ready once the page is as isolated as it can be. The first visit ends here with a reload, unless the server isolates its
 * pages itself.
 * @param {(share: number) => void} progress of what is kept
 */
export async function prepare(progress) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // a page without https: it works, with one thread, as long as the server is there
  serviceWorker.addEventListener("message", ({ data }) => {
    if (data.kind === "kept") progress(data.done / data.whole);
  });
  // Browsers may forbid it, in private windows for example.
  const registration = await serviceWorker.register(new URL("./sw.js", import.meta.url)).catch(() => null);
  if (!registration || window.crossOriginIsolated) return;
  const ready = await Promise.race([serviceWorker.ready, givenUp(registration.installing)]);
  if (!ready) return;
  if (recall(TRIED)) return;
  if (!keep(TRIED, "yes")) return; // without storage it would reload for ever
  location.reload();
  await new Promise(() => {});
}

/**
 * Null once a service worker gives up: there may be no room for what it keeps, and then it never becomes ready.
 * @param {ServiceWorker | null} worker
 * @returns {Promise<null>}
 */
function givenUp(worker) {
  return new Promise((done) => {
    worker?.addEventListener("statechange", () => worker.state === "redundant" && done(null));
  });
}
