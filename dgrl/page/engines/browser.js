// The network in this browser: nothing is sent. A worker runs it. Examples have stored passes, so that the page can
// show something while the network is loading.

import { foundIn } from "../numbers/found.js";
import { finalMap, makePass } from "../numbers/pass.js";
import { cellOf, nearestCell } from "../numbers/places.js";
import { scoresOf } from "../numbers/scores.js";
import { toSize } from "../numbers/sizing.js";
import vocabulary from "../vocabulary.js";
import { readParts } from "./bundle.js";
import { cutOut } from "./cutout.js";
import { EngineError } from "./engine.js";
import { readPhoto } from "./pixels.js";
import { surveyed } from "./surveyed.js";
import { gridsOf, inputsOf } from "./worker/inputs.js";
import { explanationWords, shareInside, spreadCells } from "./worker/words.js";

/**
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {import("../state/scene.js").Request} Request
 * @typedef {import("./pixels.js").Photo} Pixels
 */

/**
 * @typedef {Object} Manifest Written by web/build.py.
 * @property {string} name of the checkpoint
 * @property {any} config
 * @property {Record<string, any>} graphs
 * @property {{name: string, file: string, thumbnail: string, mask: string | null, stored: string | null}[]} photos
 * @property {import("../state/scene.js").Experiment[]} experiments
 * @property {Record<string, number>} download bytes by backend
 * @property {Record<string, string>} wasm compressed file by backend
 * @property {Record<"masked" | "unmasked", import("../survey/table.js").Table>} survey tables without rows
 * @property {string} version
 */

/** @typedef {(loaded: number, total: number, seconds?: number) => void} OnProgress */

const LEVELS = vocabulary.levels.map(({ name }) => name);
/** Passes that the engine caches; each has some 30 MB. */
const KEPT = 3;
const NOT_HERE = "The page without a server cannot compute this; the app and the library can.";

/** @implements {Engine} */
export class BrowserEngine {
  /** @param {{base?: string}} settings */
  constructor({ base = "./" }) {
    /** @type {"browser"} */
    this.kind = "browser";
    this.base = new URL(base, document.baseURI).href;
    const works = { passes: true, upload: true, measure: true };
    this.capabilities = { ...works, methods: ["occlusion"], report: false, survey: false, matting: false };
    this.photos = { add: (/** @type {Blob} */ blob, /** @type {string} */ name) => this.addPhoto(blob, name) };
    /** Promises of photos' pixels, by name. @type {Map<string, Promise<Pixels>>} */
    this.pixels = new Map();
    /** @type {Map<string, string>} URLs of stored passes by the photo's name */
    this.stored = new Map();
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void, tell: (message: any) => void}>} */
    this.waiting = new Map();
    this.asked = 0;
    /** @type {Promise<Worker> | null} */
    this.starting = null;
    /** @type {OnProgress} */
    this.onProgress = () => {};
    /** Keys of the photos that the worker has. @type {string[]} */
    this.sentPhotos = [];
    /** Recent passes, by request. @type {Map<string, Pass>} */
    this.recent = new Map();
    /** Whether the network is loaded. */
    this.running = false;
  }

  /** @type {Engine["start"]} */
  async start(onProgress) {
    /** @type {Manifest} */
    this.manifest = await (await fetch(this.at("manifest.json"))).json();
    this.grids = gridsOf(this.manifest.graphs);
    const { photos, experiments, version, name, config } = this.manifest;
    for (const photo of photos) if (photo.stored) this.stored.set(photo.name, this.at(photo.stored));
    this.files = new Map(photos.map((photo) => [photo.name, this.at(photo.file)]));
    this.onProgress = onProgress ?? (() => {});
    this.onProgress(0, this.manifest.download.wasm ?? 1);
    return {
      photos: photos.map((photo) => ({
        name: photo.name,
        example: true,
        thumbnail: this.at(photo.thumbnail),
        url: this.at(photo.file),
        mask: photo.mask && this.at(photo.mask),
      })),
      checkpoints: [{ name, steps: config.steps }],
      experiments,
      version,
    };
  }

  /** @param {string} name of a file of the site */
  at(name) {
    return new URL(name, this.base).href;
  }

  /** Return the worker with the network. The first call starts it. */
  network() {
    this.starting ??= this.launch();
    return this.starting;
  }

  /** Start the worker: with WebGPU if there is an adapter, otherwise (or with `?engine=wasm`) with WebAssembly. */
  async launch() {
    const wasm = new URLSearchParams(location.search).get("engine") === "wasm";
    const gpu = /** @type {any} */ (navigator).gpu;
    const adapter = wasm ? null : await gpu?.requestAdapter().catch(() => null);
    try {
      if (!adapter) return await this.launchOn("wasm");
      return await this.launchOn("webgpu").catch((error) => {
        console.warn(`WebGPU failed (${error}); using WebAssembly instead.`);
        return this.launchOn("wasm");
      });
    } catch (error) {
      this.starting = null; // so that the next request tries again
      throw error;
    }
  }

  /**
   * @param {"webgpu" | "wasm"} backend
   * @returns {Promise<Worker>}
   */
  launchOn(backend) {
    const worker = new Worker(new URL("./worker/worker.js", import.meta.url), { type: "module" });
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const reportFailure = (/** @type {string} */ reason, lost = true) => {
        worker.terminate();
        reject(new EngineError(lost ? "offline" : "refused", `The network could not be loaded: ${reason}`));
      };
      worker.addEventListener("message", ({ data }) => {
        if (data.kind === "ready") {
          this.onProgress(1, 1);
          navigator.serviceWorker?.controller?.postMessage("keep");
          resolve(worker);
        } else if (data.kind === "loading") {
          const loaded = Math.min(data.loaded, data.total);
          const seconds = (performance.now() - began) / 1000;
          this.onProgress(loaded, data.total, (seconds * (data.total - loaded)) / loaded);
        } else if (data.kind === "failed" && data.id === undefined) reportFailure(data.reason, data.lost);
        else this.receive(data);
      });
      worker.addEventListener("error", (event) => reportFailure(event.message || "the worker cannot be loaded"));
      worker.postMessage({ kind: "start", backend, base: this.base, manifest: this.manifest });
    });
  }

  /** @param {any} message from the worker */
  receive(message) {
    const pending = this.waiting.get(message.id);
    if (!pending) return;
    if (message.kind === "localised" || message.kind === "progress") {
      pending.tell(message);
      return;
    }
    this.waiting.delete(message.id);
    if (message.kind === "failed") pending.reject(new EngineError("refused", message.reason));
    else if (message.kind === "dropped") pending.reject(new DOMException("Stopped", "AbortError"));
    else pending.resolve(message);
  }

  /**
   * @param {string} name
   * @returns {Promise<Pixels>}
   */
  pixelsOf(name) {
    const cached = this.pixels.get(name);
    if (cached) return cached;
    const url = this.files?.get(name);
    if (!url) throw new EngineError("photo-gone", `The page does not have the photo “${name}” any more.`);
    const reading = fetch(url).then(async (response) => readPhoto(await response.blob(), name));
    this.pixels.set(name, reading);
    reading.catch(() => this.pixels.delete(name));
    return reading;
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  async addPhoto(blob, name) {
    const reading = readPhoto(blob, name);
    await reading;
    this.pixels.set(name, reading);
    const url = URL.createObjectURL(blob);
    return { name, example: false, thumbnail: url, url, mask: null };
  }

  /** @type {Engine["pass"]} */
  async pass(request, { until = "kernels", onPart, signal } = {}) {
    const key = JSON.stringify(request);
    const cached = this.recent.get(key);
    if (cached) {
      onPart?.(cached, "kernels");
      return cached;
    }
    const steps = request.steps ?? this.manifest?.config.steps;
    const photo = await this.pixelsOf(request.photo);
    const stored = onPart && !this.running && (await this.storedPass(request, photo, signal));
    if (stored) onPart(stored, "brn");
    const worker = await this.network();
    this.running = true;
    const recorded = await this.recorded(request, signal);
    signal?.throwIfAborted();
    this.send(worker, photo);
    const passOf = (/** @type {any} */ arrays) => this.passOf(photo, arrays, steps);
    /** @type {Record<string, Float32Array>} */
    let localised = {};
    const receive = (/** @type {any} */ { arrays }) => {
      localised = arrays;
      if (!stored) onPart?.(passOf(arrays), "rln");
    };
    const run = {
      photo: photo.key,
      steps,
      inputs: inputsOf(request.edits, steps, this.grids ?? {}, recorded),
      until: until === "rln" ? "rln" : "brn",
      all: false,
    };
    const { arrays } = await this.ask("run", { run }, { signal, tell: receive });
    const pass = passOf({ ...localised, ...arrays });
    if (until !== "rln") this.remember(key, pass);
    onPart?.(pass, "kernels");
    return pass;
  }

  /**
   * The attention maps that patches take from other passes, by their taps.
   * @param {Request} request
   * @param {AbortSignal} [signal]
   */
  async recorded(request, signal) {
    /** @type {Record<string, Float32Array>} */
    const replacements = {};
    for (const { kind, tap = "", photo = request.photo } of request.edits) {
      if (kind !== "patch") continue;
      const otherPass = await this.pass({ ...request, photo, steps: null, edits: [] }, { signal });
      const value = tap.endsWith(".weight_map") && otherPass.arrays[tap];
      if (!value) throw new EngineError("refused", `This page can take attention maps from another photo, not ${tap}.`);
      replacements[tap] = value;
    }
    return replacements;
  }

  /**
   * Cache a pass for the requests that may follow: files, scores, explanations.
   * @param {string} key
   * @param {Pass} pass
   */
  remember(key, pass) {
    this.recent.set(key, pass);
    const [oldest] = this.recent.keys();
    if (this.recent.size > KEPT && oldest) this.recent.delete(oldest);
  }

  /**
   * Return an example's stored pass, which is shown while the network is loading.
   * @param {Request} request
   * @param {Pixels} photo
   * @param {AbortSignal} [signal]
   * @returns {Promise<Pass | null>}
   */
  async storedPass({ photo: name, edits, steps }, { bitmap }, signal) {
    const url = this.stored.get(name);
    if (!url || edits.length || (steps ?? this.manifest?.config.steps) !== this.manifest?.config.steps) return null;
    const { header, arrays } = await readParts(await (await fetch(url, { signal })).arrayBuffer());
    return { header, photo: bitmap, arrays };
  }

  /**
   * @param {Pixels} photo
   * @param {Record<string, Float32Array>} arrays
   * @param {number} steps
   */
  passOf({ name, image, bitmap }, arrays, steps) {
    const description = { title: name, width: image.width, height: image.height, picture: bitmap };
    return makePass(this.manifest?.config, description, arrays, steps, LEVELS);
  }

  /**
   * Send the worker a photo, unless it has it.
   * @param {Worker} worker
   * @param {Pixels} photo
   */
  send(worker, { key, image }) {
    const { data: pixels, width, height } = image;
    if (!this.sentPhotos.includes(key)) worker.postMessage({ kind: "photo", key, pixels, width, height });
    this.sentPhotos = [...this.sentPhotos.filter((sentKey) => sentKey !== key), key];
    while (this.sentPhotos.length > 6) worker.postMessage({ kind: "forget", key: this.sentPhotos.shift() });
  }

  /**
   * @param {"run" | "explain"} kind
   * @param {Record<string, any>} content
   * @param {{signal?: AbortSignal, tell: (message: any) => void}} options
   * @returns {Promise<any>}
   */
  async ask(kind, content, { signal, tell }) {
    const worker = await this.network();
    this.asked += 1;
    const id = this.asked;
    const withIds = Object.fromEntries(Object.entries(content).map(([name, value]) => [name, { ...value, id }]));
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, tell });
      worker.postMessage({ kind, ...withIds });
      signal?.addEventListener("abort", () => {
        this.waiting.delete(id);
        worker.postMessage({ kind: "stop", id });
        reject(new DOMException("Stopped", "AbortError"));
      });
    });
  }

  async pixel() {
    return null; // passes computed in the browser are not rounded
  }

  /** @type {Engine["explain"]} */
  async explain(request, question, { onProgress, signal }) {
    const began = performance.now();
    const photo = await this.pixelsOf(request.photo);
    const pass = await this.pass(request, { signal });
    const side = pass.header.rln.width;
    const target = this.targetOf(/** @type {any} */ (question), photo.image, side);
    const explanation = { photo: photo.key, target };
    const tell = (/** @type {any} */ { share }) => onProgress(share);
    const { found } = await this.ask("explain", { explanation }, { signal, tell });
    const square = { width: side, height: side };
    const object = foundIn(toSize(finalMap(pass), photo.image, square), vocabulary.found);
    const values = spreadCells(found.cells, side);
    const inside = shareInside(values, object.mask);
    const limit = Math.max(...found.cells.flat().map(Math.abs)) || 1;
    return {
      map: { values, width: side, height: side },
      limit,
      label:
        target.kind === "cell" ? "attention lost when this part is blurred" : "evidence lost when this part is blurred",
      words: explanationWords(found, target, /** @type {any} */ (question), inside, object.share),
      faithfulness: null,
      seconds: (performance.now() - began) / 1000,
    };
  }

  /**
   * @param {{target: string, step: number, level: string, x: number, y: number}} question
   * @param {{width: number, height: number}} photo
   * @param {number} side of RLN's map
   */
  targetOf({ target: kind, step, level, x, y }, photo, side) {
    const grid = this.grids?.[level];
    if (kind !== "cell" || !grid) {
      return { kind, step, level, row: cellOf(y ?? 0, photo.height, side), column: cellOf(x ?? 0, photo.width, side) };
    }
    return {
      kind,
      step,
      level,
      row: nearestCell(y, photo.height, grid.height),
      column: nearestCell(x, photo.width, grid.width),
    };
  }

  /**
   * @param {Blob} blob
   * @param {Pass} pass
   */
  async maskOf(blob, { header: { photo } }) {
    const { image } = await readPhoto(blob, "The mask");
    if (image.width !== photo.width || image.height !== photo.height) {
      const [maskSize, photoSize] = [`${image.width}×${image.height}`, `${photo.width}×${photo.height}`];
      throw new EngineError(
        "refused",
        `The mask has ${maskSize} pixels and the photo ${photoSize}; they must have the same size.`,
      );
    }
    return image;
  }

  /** @type {Engine["measure"]} */
  async measure(request, blob, { stretch, signal }) {
    const pass = await this.pass(request, { signal });
    return { scores: scoresOf(pass, await this.maskOf(blob, pass), stretch), stretched: stretch, files: [] };
  }

  /** @type {Engine["survey"]} */
  async survey(request, { mask }) {
    const [pass, photo] = await Promise.all([this.pass(request), this.pixelsOf(request.photo)]);
    const truth = mask && (await this.maskOf(mask, pass));
    const { masked, unmasked } = /** @type {Manifest} */ (this.manifest).survey;
    return surveyed(truth ? masked : unmasked, pass, truth, photo.bitmap);
  }

  /** @type {Engine["report"]} */
  async report() {
    throw new EngineError("refused", NOT_HERE);
  }

  /** @type {Engine["file"]} */
  async file(request, kind, { signal } = {}) {
    const [pass, photo] = await Promise.all([this.pass(request, { signal }), this.pixelsOf(request.photo)]);
    return cutOut(photo, finalMap(pass), kind);
  }
}
