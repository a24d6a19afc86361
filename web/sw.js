// Caches the site's files for offline use, and isolates the page, so that WebAssembly may use threads.

const VERSION = "dgrl-/* VERSION */";
/** Every file, filled in by web/build.py. @type {string[]} */
const KEPT = /* KEPT */ [];
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};

/** @typedef {Event & {waitUntil(promise: Promise<unknown>): void}} Lasting */
/** @typedef {Lasting & {request: Request, respondWith(response: Promise<Response>): void}} Asking */

/** The worker's own side of the browser. */
const worker = /** @type {any} */ (self);

self.addEventListener("install", (event) => /** @type {Lasting} */ (event).waitUntil(install()));
self.addEventListener("activate", (event) => /** @type {Lasting} */ (event).waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data === "keep") /** @type {Lasting} */ (/** @type {Event} */ (event)).waitUntil(keepAll());
});
self.addEventListener("fetch", (event) => {
  const asking = /** @type {Asking} */ (event);
  const ownSite = new URL(asking.request.url).origin === self.location.origin;
  if (asking.request.method === "GET" && ownSite) asking.respondWith(answer(asking));
});

/** Do not wait for files on a first visit. A new version replaces an old one only when all its files are cached. */
async function install() {
  const otherVersions = (await caches.keys()).filter((name) => name.startsWith("dgrl-") && name !== VERSION);
  if (otherVersions.length) await cacheMissing();
  await worker.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith("dgrl-") && name !== VERSION) await caches.delete(name);
  }
  await worker.clients.claim();
}

/** Cache the files that have not been requested yet. */
async function cacheMissing() {
  const cache = await caches.open(VERSION);
  for (const name of KEPT) {
    const request = new Request(name, { cache: "no-cache" });
    if (!(await cache.match(request))) await cache.add(request);
  }
}

/** Cache everything, and tell the pages whether there was room for it. */
async function keepAll() {
  const complete = await cacheMissing().then(
    () => true,
    () => false,
  );
  for (const client of await worker.clients.matchAll()) client.postMessage({ kind: "kept", whole: complete });
}

/**
 * Answer with the cached file, or with the site's, which is cached while it is sent.
 * @param {Asking} asking
 */
async function answer(asking) {
  const { request } = asking;
  const cache = await caches.open(VERSION);
  let response = await cache.match(request, { ignoreSearch: true });
  if (!response) {
    response = await fetch(request);
    // The cache may be full.
    if (response.status === 200) asking.waitUntil(cache.put(request, response.clone()).catch(() => {}));
  }
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
