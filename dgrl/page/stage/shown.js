// The stage's content as values: each picture's pass, layer, title and number under the marker. Drawing, the details
// panel, tests and tools use the same values.

import { shareOnObject } from "../numbers/attention.js";
import { number, percent, signed } from "../numbers/format.js";
import { foundIn } from "../numbers/found.js";
import { pixelOfPass } from "../numbers/kernel.js";
import { differenceOf, layerOf, meanSize, valueAt } from "../numbers/layers.js";
import { readMask } from "../numbers/masks.js";
import { painted, shares } from "../numbers/painting.js";
import { cellOf } from "../numbers/places.js";
import { markerOf } from "../state/marker.js";
import { explanationKey } from "../state/questions.js";
import { framesOf, passIn, requestKey, shownSlots, slotNames } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../numbers/layers.js").Layer} Layer
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../state/scene.js").FrameSpec} FrameSpec
 * @typedef {import("../state/scene.js").Request} Request
 */

/**
 * @typedef {Object} Shown One picture on the stage.
 * @property {FrameSpec} spec
 * @property {Request} request
 * @property {Pass | null} pass
 * @property {string | null} error
 * @property {boolean} ready the map of this request has arrived
 * @property {boolean} preview the map is computed on the page until the pass arrives
 * @property {Layer | null} layer null for the photo, and while the map has not arrived
 * @property {boolean} cells the layer is an explanation of parts that a person can tell apart
 * @property {string} title
 * @property {string} note a number that belongs to the whole map
 */

/** @type {WeakMap<Pass, Map<string, Layer | null>>} layers of a pass; a pass never changes, so neither do they */
const layers = new WeakMap();

/**
 * @param {Pass} pass
 * @param {string} map
 * @param {number} step
 * @returns {Layer | null}
 */
export function cachedLayer(pass, map, step) {
  const cached = layers.get(pass) ?? new Map();
  layers.set(pass, cached);
  const key = `${map} ${step}`;
  if (!cached.has(key)) cached.set(key, layerOf(pass, map, step, 1));
  return cached.get(key);
}

/**
 * Return the layer with the scale that all pictures of its kind share.
 * @param {Layer} layer
 * @param {string} map
 * @param {State} state
 * @returns {Layer}
 */
export function onScale(layer, map, state) {
  if (layer.colours === "signed") return { ...layer, low: -state.scene.scale, high: state.scene.scale };
  if (layer.colours !== "weights") return layer;
  const maps = new Set(state.scene.frames?.map((frame) => frame.map) ?? [map]);
  const passes = /** @type {(0 | 1)[]} */ ([0, 1]).map((slot) => passIn(state, slot)?.pass);
  const limits = passes.flatMap((pass) => [...maps].map((mapName) => pass?.header.limits[mapName] ?? 0));
  return { ...layer, high: Math.max(...limits) || layer.high };
}

/**
 * The pictures on the stage, in order.
 * @param {State} state
 * @returns {Shown[]}
 */
export function shownFrames(state) {
  const specs = framesOf(state);
  return specs.map((spec) => shownFrame(state, spec, specs.length > 1));
}

/**
 * @param {State} state
 * @param {FrameSpec} spec
 * @param {boolean} several
 * @returns {Shown}
 */
function shownFrame(state, spec, several) {
  const request = /** @type {Request} */ (shownSlots(state.scene)[spec.slot]);
  const arrived = passIn(state, spec.slot);
  const pass = arrived?.pass ?? null;
  const explained = explanationLayer(state, spec.map);
  const arrivedLayer = explained ?? (pass && cachedLayer(pass, spec.map, spec.step));
  const preview = arrivedLayer ? null : previewLayer(state, spec);
  const layer = arrivedLayer ?? preview;
  const bare = spec.map === "photo";
  return {
    spec,
    request,
    pass,
    error: arrived?.error ?? null,
    ready: bare || arrivedLayer !== null,
    preview: preview !== null,
    layer: layer && (explained ?? onScale(layer, spec.map, state)),
    cells: explained !== null && explained.width <= MOST_CELLS,
    title: spec.title,
    note: several && layer && pass ? noteOf(originalOf(state, request) ?? pass, layer) : "",
  };
}

/** Columns up to which an explanation consists of parts of the photo that a person can tell apart. */
const MOST_CELLS = 40;
/** @type {WeakMap<object, Layer>} */
const explanations = new WeakMap();

/**
 * Return the explanation over the photo: the answer in the view Why, or the one stored with an experiment of the tour.
 * @param {State} state
 * @param {string} map
 * @returns {Layer | null}
 */
function explanationLayer(state, map) {
  const { scene, experiments, answers } = state;
  const answer = scene.view === "why" ? answers[explanationKey(state)]?.result : null;
  const brought = scene.view === "tour" && map === "explanation" ? experiments[scene.tour.index]?.explanation : null;
  const explanation = answer ? { ...answer.map, limit: answer.limit, label: answer.label } : brought;
  const source = answer ?? brought;
  if (!explanation || !source) return null;
  const cached = explanations.get(source);
  if (cached) return cached;
  const { width, height, limit, label } = explanation;
  const values = Float32Array.from(explanation.values);
  const layer = /** @type {Layer} */ ({
    values,
    width,
    height,
    aligned: false,
    colours: "signed",
    low: -limit,
    high: limit,
    label,
  });
  explanations.set(source, layer);
  return layer;
}

/**
 * Return a preview of a painted attention map before its pass has arrived: the first slot's map, painted here. It is
 * exact at the first painted look. Later looks also depend on memory, so they have no preview.
 * @param {State} state
 * @param {FrameSpec} spec
 * @returns {Layer | null}
 */
function previewLayer(state, { slot, map, step }) {
  const [first, second] = shownSlots(state.scene);
  const pass = passIn(state, 0)?.pass;
  if (slot !== 1 || !second || !pass || first.photo !== second.photo || step > 0) return null;
  const otherEdits = second.edits.filter(
    ({ kind, level }) => kind !== "paint" && (level === undefined || level === map),
  );
  const paint = second.edits.find(({ kind, level, at }) => kind === "paint" && level === map && !at);
  const mask = paint && readMask(paint.mask);
  const unpainted = cachedLayer(pass, map, step);
  if (
    !mask ||
    !unpainted ||
    unpainted.colours !== "weights" ||
    otherEdits.some(({ kind }) => kind === "flatten" || kind === "prompt")
  )
    return null;
  const values = painted(
    unpainted.values,
    shares(mask, unpainted.width, unpainted.height),
    paint.strength ?? state.scene.brush.strength,
  );
  return { ...unpainted, values };
}

/** @type {WeakMap<Pass, {mask: Uint8Array, share: number}>} */
const objects = new WeakMap();

/**
 * The object that a pass found, on BRN's grid; null until BRN's part has arrived.
 * @param {Pass} pass
 */
export function foundOf(pass) {
  const refined = pass.arrays[`brn.round${pass.header.propagations}`];
  if (!refined) return null;
  let object = objects.get(pass);
  if (object === undefined) {
    object = foundIn(refined, vocabulary.found);
    objects.set(pass, object);
  }
  return object;
}

/**
 * @param {Pass} pass
 * @param {Layer} layer
 */
function noteOf(pass, layer) {
  const object = foundOf(pass);
  if (layer.colours !== "weights" || !object?.share) return "";
  const { width, height } = pass.header.brn;
  return `${percent(shareOnObject(layer.values, layer.width, layer.height, object.mask, width, height))} on the object`;
}

/**
 * Return the first slot's pass over the same photo, so that shares of two passes are those of one object.
 * @param {State} state
 * @param {import("../state/scene.js").Request} request
 */
function originalOf(state, { photo }) {
  const pass = state.scene.slots[0].photo === photo ? passIn(state, 0)?.pass : null;
  return pass?.arrays["brn.round0"] ? pass : null;
}

/**
 * Return the second picture minus the first, if the arrangement shows differences and both have arrived.
 * @param {State} state
 * @param {Shown[]} frames
 * @returns {Layer | null}
 */
export function shownDifference({ scene }, frames) {
  const [first, second] = frames;
  if (scene.arrangement !== "difference" || frames.length !== 2 || !first?.layer || !second?.layer) return null;
  return first.ready && second.ready ? differenceOf(first.layer, second.layer, scene.scale) : null;
}

/**
 * The pixel's kernel and sums; null until the kernels have arrived.
 * @param {State} state
 * @param {0 | 1} slot
 */
export function kernelUnder(state, slot) {
  const pass = passIn(state, slot)?.pass;
  const marker = markerOf(state, slot);
  if (!pass?.arrays["brn.coefficients"] || !marker) return null;
  const { photo, brn } = pass.header;
  const column = cellOf(marker.x, photo.width, brn.width);
  const row = cellOf(marker.y, photo.height, brn.height);
  const request = shownSlots(state.scene)[slot];
  const exactPixel = request && state.answers[pixelKey(request, marker)]?.result;
  return {
    ...marker,
    column,
    row,
    exact: !!exactPixel,
    pixel: pixelOfPass(pass, column, row, pass.header.propagations, exactPixel ?? undefined),
  };
}

/**
 * @param {Request} request
 * @param {{x: number, y: number}} place
 */
export const pixelKey = (request, { x, y }) => `pixel ${x} ${y} ${requestKey(request)}`;

/**
 * Return the value under the marker in a picture, and its text.
 * @param {State} state
 * @param {Shown} shown
 * @returns {{value: number, text: string} | null}
 */
export function valueUnder(state, { layer, ready, preview, spec }) {
  const marker = markerOf(state, spec.slot);
  if (!layer || !marker || !(ready || preview)) return null;
  const value = valueAt(layer, marker.across, marker.down);
  return { value, text: layer.colours === "signed" ? signed(value, 3) : number(value, 3) };
}

/**
 * Return the title above the stage.
 * @param {State} state
 * @param {Shown[]} frames
 * @param {Layer | null} difference
 */
export function stageTitle(state, frames, difference) {
  const [first] = frames;
  if (!first) return "";
  if (difference) {
    const [firstName, secondName] = slotNames(state);
    return `${first.layer?.label ?? ""}: ${secondName} minus ${firstName}, on average ±${number(meanSize(difference), 4)}`;
  }
  if (state.scene.frames && frames.length > 1) {
    const maps = new Set(frames.map(({ spec }) => spec.map));
    const level = vocabulary.levels.find(({ name }) => maps.size === 1 && maps.has(name));
    return level ? `Attention, ${level.word}` : "";
  }
  if (state.scene.view === "why") return first.layer?.label ?? "Photo";
  if (first.spec.map === "photo") return "Photo";
  return frames.find(({ layer }) => layer)?.layer?.label ?? "";
}

/**
 * Return each picture's title, map, step and numbers as drawn, for tests and tools.
 * @param {State} state
 */
export function shownValues(state) {
  return shownFrames(state).map((shown) => {
    const pixelValue = valueUnder(state, shown);
    const marker = markerOf(state, shown.spec.slot);
    const kernel = kernelUnder(state, shown.spec.slot);
    return {
      slot: shown.spec.slot,
      key: requestKey(shown.request),
      title: shown.title,
      label: shown.layer?.label ?? "",
      map: shown.spec.map,
      step: shown.spec.step,
      ready: shown.ready,
      note: shown.note,
      x: marker?.x ?? null,
      y: marker?.y ?? null,
      value: pixelValue?.value ?? null,
      text: pixelValue?.text ?? "",
      mean: shown.layer && shown.ready ? meanOf(shown.layer) : null,
      numbers: kernel && {
        prior: kernel.pixel.before,
        refined: kernel.pixel.refined,
        foreground: kernel.pixel.foreground,
        background: kernel.pixel.background,
        evidence: kernel.pixel.evidence,
        coefficients: [...kernel.pixel.coefficients],
        neighbours: [...kernel.pixel.neighbours],
      },
    };
  });
}

/** @param {Layer} layer */
const meanOf = ({ values }) => values.reduce((sum, value) => sum + value, 0) / values.length;
