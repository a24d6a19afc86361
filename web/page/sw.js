// Keeps the whole page for working without a network, and isolates it, so that WebAssembly may use threads.

const VERSION = "dgrl-/* VERSION */";
/** Sizes in bytes by name, filled in by web/build.py. @type {Record<string, number>} */
const KEPT = /* KEPT */ {};
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** @typedef {Event & {waitUntil(promise: Promise<unknown>): void}} Lasting */
/** @typedef {Lasting & {request: Request, respondWith(response: Promise<Response>): void}} Asking */

self.addEventListener("install", (event) => /** @type {Lasting} */ (event).waitUntil(install()));
self.addEventListener("activate", (event) => /** @type {Lasting} */ (event).waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const asking = /** @type {Asking} */ (event);
  const own = new URL(asking.request.url).origin === self.location.origin;
  if (asking.request.method === "GET" && own) asking.respondWith(answer(asking.request));
});

/** The worker's own side of the browser. */
const worker = /** @type {any} */ (self);

async function install() {
  const cache = await caches.open(VERSION);
  const whole = Object.values(KEPT).reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const [name, size] of Object.entries(KEPT)) {
    await cache.add(new Request(name, { cache: "no-cache" }));
    done += size;
    for (const client of await worker.clients.matchAll({ includeUncontrolled: true })) {
      client.postMessage({ kind: "kept", done, whole });
    }
  }
  await worker.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith("dgrl-") && name !== VERSION) await caches.delete(name);
  }
  await worker.clients.claim();
}

/**
 * What is kept, else what the server has, which is kept from then on.
 * @param {Request} request
 */
async function answer(request) {
  const cache = await caches.open(VERSION);
  let response = await cache.match(request, { ignoreSearch: true });
  if (!response) {
    response = await fetch(request);
    if (response.status === 200) await cache.put(request, response.clone()).catch(() => {}); // there may be no room
  }
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
