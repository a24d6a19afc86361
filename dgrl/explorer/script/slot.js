// One pass on the stage, with what has been drawn of it kept.

import { colourised, compose, palette, photoOf } from "./draw.js";
import { layerOf, SCALES, weightTap } from "./layers.js";

/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {import("./unpack.js").Pass} Pass */

const LONGEST_PHOTO = 1600;

/**
 * @typedef {Object} Slot
 * @property {Pass} pass
 * @property {string} name
 * @property {(map: string, step: number) => Layer | null} layer its scale is not yet that of the stage
 * @property {(layer: Layer) => HTMLCanvasElement} colours
 * @property {(grey: boolean) => HTMLCanvasElement} photo
 * @property {(step: number, level: string, values: Float32Array | null) => void} repaint show another weight map, or
 *   the pass's own again
 * @property {() => void} forget which maps there are: more have come
 */

/**
 * @param {Pass} pass
 * @param {string} name
 * @returns {Slot}
 */
export function makeSlot(pass, name) {
  const { header } = pass;
  /** @type {Map<string, Layer | null>} */
  const layers = new Map();
  /** @type {Map<string, HTMLCanvasElement>} */
  const photos = new Map();
  /** @type {WeakMap<Float32Array, {scale: string, canvas: HTMLCanvasElement}>} */
  const drawn = new WeakMap();
  const palettes = {
    weights: palette(header.colours.weights),
    saliency: palette(header.colours.saliency),
    signed: palette(header.colours.signed),
  };

  /** @type {Slot["layer"]} */
  function layer(map, step) {
    const key = `${map} ${step}`;
    let found = layers.get(key);
    if (found === undefined) {
      found = layerOf(pass, map, step, /** @type {number} */ (SCALES[0]));
      layers.set(key, found);
    }
    return found;
  }

  /** @type {Slot["colours"]} */
  function colours(shown) {
    const scale = `${shown.low} ${shown.high}`;
    const before = drawn.get(shown.values);
    if (before?.scale === scale) return before.canvas;
    const canvas = colourised(shown, palettes[shown.colours], header.photo);
    drawn.set(shown.values, { scale, canvas });
    return canvas;
  }

  /** @type {Slot["photo"]} */
  function photo(grey) {
    const key = String(grey);
    let canvas = photos.get(key);
    if (!canvas) {
      const factor = Math.min(1, LONGEST_PHOTO / Math.max(header.photo.width, header.photo.height));
      const width = Math.max(1, Math.round(header.photo.width * factor));
      canvas = photoOf(pass.photo, width, Math.max(1, Math.round(header.photo.height * factor)), grey);
      photos.set(key, canvas);
    }
    return canvas;
  }

  /** @type {Slot["repaint"]} */
  function repaint(step, level, values) {
    const own = layerOf(pass, level, step, 1);
    if (own) layers.set(`${level} ${step}`, values ? { ...own, values } : own);
  }

  const forget = () => layers.clear();

  return { pass, name, layer, colours, photo, repaint, forget };
}

/**
 * The taps of the weight maps that a pass has, as {step, level}.
 * @param {Pass} pass
 */
export function weightMaps({ header, arrays }) {
  return Array.from({ length: header.steps }, (_, step) => header.levels.map((level) => ({ step, level })))
    .flat()
    .filter(({ step, level }) => arrays[weightTap(step, level)]);
}

/**
 * A small picture of a map for the strip.
 * @param {HTMLCanvasElement} canvas
 * @param {Slot} slot
 * @param {Layer | null} layer null for the photo
 */
export function thumbnail(canvas, slot, layer) {
  compose(canvas, slot.photo(false), layer ? slot.colours(layer) : null, 1);
}
