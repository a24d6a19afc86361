// The network in a worker beside the page: onnxruntime-web runs RLN step by step, then BRN, one request after the
// other. An explanation takes many passes, so it waits for all other requests. A new explanation replaces the old one.

import { square } from "../../numbers/sizing.js";
import vocabulary from "../../vocabulary.js";
import { occlude } from "./occlude.js";

/** @typedef {typeof import("onnxruntime-web")} Runtime */
/** @typedef {import("onnxruntime-web").InferenceSession} Session */
/** @typedef {import("onnxruntime-web").Tensor} Tensor */

/**
 * @typedef {Object} Graph One graph in the manifest (web/graphs.py).
 * @property {Record<string, number[]>} inputs shapes by name
 * @property {Record<string, number | number[]>} defaults of the inputs for edits
 * @property {string[]} outputs
 */

/**
 * @typedef {Object} Config
 * @property {number} steps T as trained
 * @property {boolean} context
 * @property {number} kernel_size
 * @property {number} propagations
 * @property {"soft" | "binary"} prior
 * @property {number} rln_size
 * @property {number} brn_size
 */

/** @typedef {Record<string, number | number[] | Float32Array>} Inputs values of the inputs for edits, by name */

/**
 * @typedef {Object} Run
 * @property {number} id
 * @property {string} photo its key
 * @property {number} steps T
 * @property {Inputs} inputs missing ones have their defaults
 * @property {"rln" | "brn"} until
 * @property {boolean} all return every tap, also the feedback
 */

/**
 * @typedef {Object} Explanation
 * @property {number} id
 * @property {string} photo its key
 * @property {import("./occlude.js").Target} target
 */

/**
 * @typedef {Object} Step Results of a time step, cached for other passes over the same photo.
 * @property {Record<string, Tensor>} carried inputs of the next step
 * @property {Record<string, Float32Array>} arrays by the names of taps, and `rln.tT.saliency`
 */

/** @typedef {{carried: Record<string, Tensor>, taps: Record<string, Float32Array>}} StepResult Results of a time step, with
logits. */

const BLOCKS = ["conv2", "conv3", "conv4", "conv5"];
const KEPT_STEPS = 24;
const MOST_THREADS = 8;
const GONE = "The page does not have this photo any more.";

/** @type {Runtime} */
let ort;
/** @type {Record<string, Session>} */
const sessions = {};
/** @type {{config: Config, graphs: Record<string, Graph>, download: Record<string, number>, wasm: Record<string, string>}} */
let manifest;
/** @type {Map<string, {rln: Tensor, brn: Tensor}>} */
const photos = new Map();
/** @type {Map<string, Step>} */
const cachedSteps = new Map();
/** @type {Map<number, Run>} */
const waitingRuns = new Map();
/** Id of the running computation, until it is stopped. @type {number | null} */
let current = null;
/** @type {Explanation | null} the newest one; it replaces older ones */
let newestExplanation = null;
let busy = false;

self.addEventListener("message", ({ data }) => {
  const { kind } = data;
  if (kind === "start") start(data).catch(cannotStart);
  else if (kind === "photo") addPhoto(data);
  else if (kind === "forget") photos.delete(data.key);
  else if (kind === "run") {
    waitingRuns.set(data.run.id, data.run);
    runQueue();
  } else if (kind === "explain") {
    if (newestExplanation) self.postMessage({ kind: "dropped", id: newestExplanation.id });
    newestExplanation = data.explanation;
    runQueue();
  } else if (kind === "stop") stop(data.id);
});

/** @param {number} id of a run or an explanation */
function stop(id) {
  waitingRuns.delete(id);
  if (current === id) current = null;
  if (newestExplanation?.id === id) newestExplanation = null;
}

/** A file of the site could not be loaded. */
class LostError extends Error {}

/** @param {unknown} error */
function cannotStart(error) {
  self.postMessage({ kind: "failed", reason: messageOf(error), lost: error instanceof LostError });
}

/**
 * Load the runtime and the graphs.
 * @param {{backend: "webgpu" | "wasm", base: string, manifest: any}} settings `base` is the address of the site's folder
 */
async function start({ backend, base, manifest: siteManifest }) {
  const began = performance.now();
  manifest = siteManifest;
  const urlOf = (/** @type {string} */ name) => new URL(name, base).href;
  ort = await import(urlOf(backend === "webgpu" ? "ort/ort.webgpu.min.mjs" : "ort/ort.wasm.min.mjs"));
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  ort.env.wasm.wasmPaths = urlOf("ort/");
  ort.env.wasm.numThreads = threads;
  const total = manifest.download[backend];
  let loaded = 0;
  const progress = (/** @type {number} */ bytes) => {
    loaded += bytes;
    self.postMessage({ kind: "loading", loaded, total });
  };
  const wasm = manifest.wasm[backend];
  ort.env.wasm.wasmBinary = (await loadCompressed(urlOf(wasm), progress)).buffer;
  const data = await loadCompressed(urlOf("model/weights.bin.gz"), progress);
  for (const name of Object.keys(manifest.graphs)) {
    const graph = await loadCompressed(urlOf(`model/${name}.onnx.gz`), progress);
    sessions[name] = await ort.InferenceSession.create(graph, {
      executionProviders: backend === "webgpu" ? ["webgpu", "wasm"] : ["wasm"],
      externalData: [{ path: "weights.bin", data }],
      graphOptimizationLevel: "all",
    });
  }
  self.postMessage({ kind: "ready", backend, threads, seconds: (performance.now() - began) / 1000 });
}

/**
 * Return a compressed file's content; report its bytes as they arrive.
 * @param {string} address
 * @param {(bytes: number) => void} progress
 */
async function loadCompressed(address, progress) {
  const response = await fetch(address).catch((error) => {
    throw new LostError(`${address}: ${messageOf(error)}`);
  });
  if (!response.ok || !response.body) throw new LostError(`${address}: ${response.status}`);
  const countedBody = response.body.pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        progress(chunk.byteLength);
        controller.enqueue(chunk);
      },
    }),
  );
  // A server may decompress .gz files itself, so check the first two bytes.
  const compressedBytes = await new Response(countedBody).arrayBuffer().catch((error) => {
    throw new LostError(`${address}: ${messageOf(error)}`);
  });
  const bytes = new Uint8Array(compressedBytes);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {{key: string, pixels: Uint8ClampedArray, width: number, height: number}} photo */
function addPhoto({ key, pixels, width, height }) {
  const { rln_size, brn_size } = manifest.config;
  const [rln, brn] = [rln_size, brn_size].map(
    (side) => new ort.Tensor("float32", square(pixels, width, height, side), [1, 3, side, side]),
  );
  if (!rln || !brn) return;
  photos.set(key, { rln, brn });
}

/**
 * @param {Map<string, unknown>} map
 * @param {number} count
 */
function dropOldest(map, count) {
  for (const key of map.keys()) {
    if (map.size <= count) return;
    map.delete(key);
  }
}

/** Run the waiting passes, then the waiting explanation. */
async function runQueue() {
  if (busy) return;
  busy = true;
  await runWaiting();
  while (newestExplanation) {
    await explain(newestExplanation);
    await runWaiting();
  }
  busy = false;
}

/** Run the waiting passes, one after the other. */
async function runWaiting() {
  for (let next = takeNext(); next; next = takeNext()) {
    const { id } = next;
    current = id;
    try {
      await pass(next);
    } catch (error) {
      self.postMessage({ kind: "failed", id, reason: messageOf(error) });
    }
  }
}

function takeNext() {
  const [run] = waitingRuns.values();
  if (run) waitingRuns.delete(run.id);
  return run;
}

/** Let messages arrive. */
const letMessagesIn = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });

/**
 * Run one pass, until it is stopped.
 * @param {Run} run
 */
async function pass(run) {
  const began = performance.now();
  const photo = photos.get(run.photo);
  if (!photo) throw new Error(GONE);
  /** @type {Record<string, Float32Array>} */
  const arrays = {};
  let key = `${run.photo} ${run.all}`;
  /** @type {Step | undefined} */
  let step;
  for (let t = 0; t <= run.steps; t++) {
    await letMessagesIn();
    if (current !== run.id) return;
    key += ` ${alteredAt(run.inputs, `rln.t${t}.`)}`;
    const before = step;
    step = cachedSteps.get(key) ?? (await stepOf(run, t, photo.rln, before));
    cachedSteps.delete(key);
    cachedSteps.set(key, step);
    dropOldest(cachedSteps, KEPT_STEPS);
    Object.assign(arrays, step.arrays);
  }
  const seconds = (performance.now() - began) / 1000;
  self.postMessage({ kind: "localised", id: run.id, arrays, seconds });
  if (run.until === "rln") {
    self.postMessage({ kind: "refined", id: run.id, arrays: {}, seconds });
    return;
  }
  await letMessagesIn();
  if (current !== run.id) return;
  const refined = await refine(run, photo.brn, /** @type {Float32Array} */ (arrays[`rln.t${run.steps}.saliency`]));
  const buffers = Object.values(refined).map((values) => values.buffer);
  const message = { kind: "refined", id: run.id, arrays: refined, seconds: (performance.now() - began) / 1000 };
  self.postMessage(message, { transfer: buffers });
}

/**
 * Explain by Occlusion; waiting passes run between its time steps.
 * @param {Explanation} started
 */
async function explain(started) {
  const { id, photo, target } = started;
  const side = manifest.config.rln_size;
  /** @param {Float32Array} picture */
  async function localise(picture) {
    const image = new ort.Tensor("float32", picture, [1, 3, side, side]);
    /** @type {StepResult | undefined} */
    let step;
    for (let t = 0; t <= target.step; t++) {
      await letMessagesIn();
      await runWaiting();
      if (newestExplanation !== started) throw new Error("stopped");
      step = await runStep(t, image, step?.carried, {}, false);
    }
    return /** @type {StepResult} */ (step).taps;
  }
  try {
    const picture = /** @type {Float32Array | undefined} */ (photos.get(photo)?.rln.data);
    if (!picture) throw new Error(GONE);
    const progress = (/** @type {number} */ share) => self.postMessage({ kind: "progress", id, share });
    const explanation = await occlude(picture, side, target, vocabulary.found.above, localise, progress);
    self.postMessage({ kind: "explained", id, found: explanation });
  } catch (error) {
    // No answer is needed for a stopped explanation.
    if (newestExplanation === started) self.postMessage({ kind: "failed", id, reason: messageOf(error) });
  }
  if (newestExplanation === started) newestExplanation = null;
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Return the inputs of one part of the network as text, equal for equal values.
 * @param {Inputs} inputs
 * @param {string} start of their names
 */
function alteredAt(inputs, start) {
  const names = Object.keys(inputs).filter((name) => name.startsWith(start));
  return JSON.stringify(
    names.sort().map((name) => {
      const value = inputs[name];
      return [name, value instanceof Float32Array ? Array.from(value) : value];
    }),
  );
}

/**
 * @param {Run} run
 * @param {number} t
 * @param {Tensor} image
 * @param {Step | undefined} before
 * @returns {Promise<Step>}
 */
async function stepOf(run, t, image, before) {
  const { carried, taps } = await runStep(t, image, before?.carried, run.inputs, run.all);
  const { [`rln.t${t}.logits`]: logits, ...otherTaps } = taps;
  const saliency = { [`rln.t${t}.saliency`]: saliencyOf(logits) };
  return { carried, arrays: { ...(run.all ? taps : otherTaps), ...saliency } };
}

/**
 * A time step of RLN.
 * @param {number} t
 * @param {Tensor} image
 * @param {Record<string, Tensor> | undefined} before results of the previous step
 * @param {Inputs} inputs
 * @param {boolean} withFeedback
 * @returns {Promise<StepResult>}
 */
async function runStep(t, image, before, inputs, withFeedback) {
  const last = Object.keys(manifest.graphs).filter((name) => name.startsWith("step")).length - 1;
  const graphStep = Math.min(t, last);
  /** After the last trained step, its graph runs again, with other tap names. @type {(tap: string) => string} */
  const renamed = (tap) => tap.replace(`rln.t${graphStep}.`, `rln.t${t}.`);
  const inputTensors = before ?? { "rln.image": image };
  const outputs = await runGraph(`step${graphStep}`, inputTensors, (input) => inputs[renamed(input)], withFeedback);
  /** @type {Record<string, Tensor>} */
  const carried = { stem: before ? before.stem : /** @type {Tensor} */ (outputs.stem) };
  for (const block of BLOCKS) {
    carried[block] = /** @type {Tensor} */ (outputs[before ? `${block}.next` : block]);
  }
  /** @type {Record<string, Float32Array>} */
  const taps = {};
  for (const [output, tensor] of Object.entries(outputs)) {
    if (output.startsWith("rln.")) taps[renamed(output)] = /** @type {Float32Array} */ (tensor.data);
  }
  return { carried, taps };
}

/**
 * The softmax of two classes is the sigmoid of their difference.
 * @param {Float32Array} logits (2, H, W)
 */
function saliencyOf(logits) {
  const size = logits.length / 2;
  const saliency = new Float32Array(size);
  for (let i = 0; i < size; i++) saliency[i] = 1 / (1 + Math.exp(logits[i] - logits[size + i]));
  return saliency;
}

/**
 * Run BRN, and compute the sums of every pixel.
 * @param {Run} run
 * @param {Tensor} image
 * @param {Float32Array} saliency
 */
async function refine(run, image, saliency) {
  const side = manifest.config.rln_size;
  const inputTensors = { "brn.image": image, saliency: new ort.Tensor("float32", saliency, [1, 1, side, side]) };
  const outputs = await runGraph("brn", inputTensors, (input) => run.inputs[input], true);
  /** @type {(name: string) => Float32Array} */
  const values = (name) => /** @type {Float32Array} */ (outputs[name]?.data);
  const count = manifest.config.propagations;
  /** @type {Record<string, Float32Array>} */
  const arrays = { "brn.round0": values("brn.prior"), "brn.coefficients": values("brn.coefficients") };
  for (let k = 1; k <= count; k++) {
    arrays[`brn.round${k}`] = values(k === count ? "brn.refined" : `brn.propagated${k}`);
    arrays[`brn.sums${k}`] = sums(arrays["brn.coefficients"], arrays[`brn.round${k - 1}`]);
  }
  return arrays;
}

/**
 * Return foreground, background and their difference at every pixel (dgrl.network.brn.propagate).
 * @param {Float32Array} coefficients (n², H, W)
 * @param {Float32Array} map (H, W)
 */
function sums(coefficients, map) {
  const side = manifest.config.brn_size;
  const size = side * side;
  const n = Math.sqrt(coefficients.length / size);
  const result = new Float32Array(3 * size);
  for (let d = 0; d < n * n; d++) {
    const down = Math.floor(d / n) - (n >> 1);
    const right = (d % n) - (n >> 1);
    const plane = d * size;
    for (let row = 0, i = 0; row < side; row++) {
      const y = row + down;
      for (let column = 0; column < side; column++, i++) {
        const x = column + right;
        const s = y >= 0 && y < side && x >= 0 && x < side ? map[y * side + x] : 0;
        const v = coefficients[plane + i];
        result[i] += v * s;
        result[size + i] += v * (1 - s);
      }
    }
  }
  for (let i = 0; i < size; i++) result[2 * size + i] = result[i] - result[size + i];
  return result;
}

/**
 * @param {string} name
 * @param {Record<string, Tensor>} tensors
 * @param {(input: string) => number | number[] | Float32Array | undefined} editedValue
 * @param {boolean} withFeedback compute every output; otherwise feedback is left out
 * @returns {Promise<Record<string, Tensor>>}
 */
async function runGraph(name, tensors, editedValue, withFeedback) {
  const graph = /** @type {Graph} */ (manifest.graphs[name]);
  /** @type {Record<string, Tensor>} */
  const feeds = {};
  for (const [input, shape] of Object.entries(graph.inputs)) {
    const value = editedValue(input) ?? graph.defaults[input];
    feeds[input] = tensors[input] ?? new ort.Tensor("float32", tensorValues(value ?? 0, shape), shape);
  }
  const outputs = graph.outputs.filter((output) => withFeedback || !output.endsWith(".feedback"));
  return /** @type {Promise<Record<string, Tensor>>} */ (sessions[name]?.run(feeds, outputs));
}

/**
 * @param {number | number[] | Float32Array} value
 * @param {number[]} shape
 */
function tensorValues(value, shape) {
  const size = shape.reduce((product, side) => product * side, 1);
  if (typeof value === "number") return new Float32Array(size).fill(value);
  if (value.length !== size) throw new Error(`${value.length} numbers do not fit ${shape.join("×")}`);
  return Float32Array.from(value);
}
