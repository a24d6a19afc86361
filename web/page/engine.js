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

/** WebGPU where there is an adapter; `?engine=wasm` in the address asks for the other. */
async function chosen() {
  if (new URLSearchParams(location.search).get("engine") === "wasm") return "wasm";
  const gpu = /** @type {{gpu?: {requestAdapter(): Promise<unknown>}}} */ (/** @type {unknown} */ (navigator)).gpu;
  return (await gpu?.requestAdapter().catch(() => null)) ? "webgpu" : "wasm";
}

/** So many photos stay with the worker. */
const KEPT_PHOTOS = 6;

export async function startEngine() {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  /** @type {Map<number, {wish: Wish, arrays: Arrays, done: (result: Result | null) => void, failed: (error: Error) => void}>} */
  const running = new Map();
  /** Photos that the worker has, the latest last. @type {string[]} */
  let there = [];
  let made = 0;
  /** @type {{engine: string, threads: number, seconds: number}} */
  const about = await new Promise((ready, failed) => {
    worker.addEventListener("message", ({ data }) => {
      if (data.kind === "ready") ready(data);
      else if (data.kind === "failed" && data.id === undefined) failed(new Error(data.reason));
      else answer(data);
    });
    worker.addEventListener("error", (event) => failed(new Error(event.message || "the worker cannot be loaded")));
    chosen().then((engine) => worker.postMessage({ kind: "start", engine }));
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
  };
}
