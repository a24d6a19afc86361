// The page's side of worker.js: which engine there is, and passes as promises.

/** @typedef {import("./worker.js").Inputs} Inputs */
/** @typedef {import("./worker.js").Run} Run */
/** @typedef {Record<string, Float32Array>} Arrays */

/**
 * @typedef {Object} Wish
 * @property {string} slot a newer pass of the same slot takes an older one's place
 * @property {string} photo
 * @property {number} steps T
 * @property {Inputs} [inputs]
 * @property {"rln" | "brn"} [until]
 * @property {boolean} [all]
 * @property {(arrays: Arrays, seconds: number) => void} [localised] called when RLN is done
 */

/** @typedef {{arrays: Arrays, seconds: number}} Result */

/** @typedef {import("./occluding.js").Found} Found */
/** @typedef {import("./occluding.js").Target} Target */
/** @typedef {{progress: (share: number) => void, done: (found: Found) => void, failed: (error: Error) => void}} Explaining */

/** WebGPU where there is an adapter; `?engine=wasm` in the address asks for the other. */
async function chosen() {
  if (new URLSearchParams(location.search).get("engine") === "wasm") return "wasm";
  const gpu = /** @type {{gpu?: {requestAdapter(): Promise<unknown>}}} */ (/** @type {unknown} */ (navigator)).gpu;
  return (await gpu?.requestAdapter().catch(() => null)) ? "webgpu" : "wasm";
}

/** So many photos stay with the worker. */
const KEPT_PHOTOS = 6;

/** The engine that there is; WebAssembly where the GPU turns out to lack something. */
export async function startEngine() {
  const engine = await chosen();
  if (engine === "wasm") return launched(engine);
  try {
    return await launched(engine);
  } catch (error) {
    console.warn(`WebGPU failed (${error}); WebAssembly takes over.`);
    return launched("wasm");
  }
}

/** @param {"webgpu" | "wasm"} engine */
async function launched(engine) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  /** @type {Map<number, {wish: Wish, arrays: Arrays, done: (result: Result | null) => void, failed: (error: Error) => void}>} */
  const running = new Map();
  /** @type {Map<number, Explaining>} */
  const explaining = new Map();
  /** Photos that the worker has, the latest last. @type {string[]} */
  let there = [];
  let made = 0;
  /** @type {{engine: string, threads: number, seconds: number}} */
  const about = await new Promise((ready, failed) => {
    worker.addEventListener("message", ({ data }) => {
      if (data.kind === "ready") ready(data);
      else if (data.kind === "failed" && data.id === undefined) {
        worker.terminate();
        failed(new Error(data.reason));
      } else if (explaining.has(data.id)) explain(data);
      else answer(data);
    });
    worker.addEventListener("error", (event) => failed(new Error(event.message || "the worker cannot be loaded")));
    worker.postMessage({ kind: "start", engine });
  });

  /** @param {{kind: string, id: number, arrays: Arrays, seconds: number, reason: string}} message */
  function answer({ kind, id, arrays, seconds, reason }) {
    const one = running.get(id);
    if (!one) return;
    if (kind === "localised") {
      Object.assign(one.arrays, arrays);
      one.wish.localised?.(one.arrays, seconds);
      if (one.wish.until !== "rln") return;
    }
    running.delete(id);
    if (kind === "failed") one.failed(new Error(reason));
    else if (kind === "dropped") one.done(null);
    else one.done({ arrays: Object.assign(one.arrays, arrays), seconds });
  }

  /** @param {{kind: string, id: number, share: number, found: Found, reason: string}} message */
  function explain({ kind, id, share, found, reason }) {
    const one = /** @type {Explaining} */ (explaining.get(id));
    if (kind === "progress") {
      one.progress(share);
      return;
    }
    explaining.delete(id);
    if (kind === "failed") one.failed(new Error(reason));
    else one.done(found);
  }

  return {
    ...about,
    /**
     * Give the worker a photo, unless it has it.
     * @param {string} key
     * @param {ImageData} image
     */
    photo(key, image) {
      const { data: pixels, width, height } = image;
      if (!there.includes(key)) worker.postMessage({ kind: "photo", key, pixels, width, height });
      there = [...there.filter((other) => other !== key), key];
      while (there.length > KEPT_PHOTOS) worker.postMessage({ kind: "forget", key: there.shift() });
    },
    /**
     * What a pass gives; null if a newer one has taken its place.
     * @param {Wish} wish
     * @returns {Promise<Result | null>}
     */
    run(wish) {
      made += 1;
      const id = made;
      const { slot, photo, steps, inputs = {}, until = "brn", all = false } = wish;
      /** @type {Run} */
      const run = { id, slot, photo, steps, inputs, until, all };
      return new Promise((done, failed) => {
        running.set(id, { wish, arrays: {}, done, failed });
        worker.postMessage({ kind: "run", run });
      });
    },
    /**
     * Occlusion of a photo, when no pass is wanted. A newer one takes its place, so stop the one that runs.
     * @param {string} photo
     * @param {Target} target
     * @param {{signal: AbortSignal, progress: (share: number) => void}} stopping
     * @returns {Promise<Found>}
     */
    explain(photo, target, { signal, progress }) {
      made += 1;
      const id = made;
      return new Promise((done, failed) => {
        signal.throwIfAborted();
        explaining.set(id, { progress, done, failed });
        worker.postMessage({ kind: "explain", explanation: { id, photo, target } });
        signal.addEventListener("abort", () => {
          explaining.delete(id);
          worker.postMessage({ kind: "stop", id });
          failed(signal.reason);
        });
      });
    },
  };
}
