// One forward pass in the page's form, from any engine, and values that are read from it.

import { cellOf, pixelOf } from "./places.js";
import { toSize } from "./sizing.js";

/** @typedef {import("./places.js").Size} Size */
/** @typedef {Record<string, Float32Array>} Arrays */

/**
 * @typedef {Object} ArrayEntry One array in the header of a bundle. docs/bundle.md describes the format.
 * @property {"words" | "steps" | "file"} coding
 * @property {string} [type] a file's media type
 * @property {number} [unit] the number that one step stands for
 * @property {number[]} shape
 * @property {number} offset from the end of the header
 * @property {number} bytes
 * @property {number[]} [parts] lengths of the deflated pieces
 */

/**
 * @typedef {Object} Header
 * @property {string} format
 * @property {string} title
 * @property {Size} photo the photo's own size, in which pixels are counted
 * @property {Size} rln size of RLN's predictions
 * @property {Size} brn size of BRN's maps
 * @property {number} steps number of time steps, T + 1
 * @property {string[]} levels levels that have an attention map
 * @property {number} kernel_size n; 0 if BRN has not run
 * @property {number} propagations
 * @property {"soft" | "binary"} prior
 * @property {{coefficients: number, sums: number}} decimals number of decimals to show
 * @property {Record<string, number>} limits the largest absolute value of each kind of map, over all time steps: the
 *   ends of the colour scales
 * @property {Record<string, ArrayEntry>} [arrays]
 */

/**
 * @typedef {Object} Pass
 * @property {Header} header
 * @property {CanvasImageSource} photo a picture of the photo, of any size
 * @property {Arrays} arrays by name: `rln.tT.LEVEL.weight_map`, `rln.tT.saliency`, `brn.round0` (the map that BRN
 *   receives) to `brn.roundK` (its result), `brn.coefficients` (n², H, W), `brn.sums1` to `brn.sumsK` (3, H, W)
 */

/**
 * @typedef {Object} NetworkConfig The fields of DGRLConfig that the page needs.
 * @property {number} kernel_size
 * @property {number} propagations
 * @property {"soft" | "binary"} prior
 * @property {number} rln_size
 * @property {number} brn_size
 */

/**
 * Return a pass from arrays that were computed in the browser.
 * @param {NetworkConfig} config
 * @param {{title: string, width: number, height: number, picture: CanvasImageSource}} photo
 * @param {Arrays} arrays of RLN, and of BRN if it has run
 * @param {number} steps T
 * @param {string[]} levels levels that may have an attention map
 * @returns {Pass}
 */
export function makePass(config, { title, width, height, picture }, arrays, steps, levels) {
  const present = levels.filter((level) => arrays[`rln.t0.${level}.weight_map`]);
  const refined = `brn.round${config.propagations}` in arrays;
  return {
    header: {
      format: "dgrl-bundle-2",
      title,
      photo: { width, height },
      rln: { width: config.rln_size, height: config.rln_size },
      brn: { width: config.brn_size, height: config.brn_size },
      steps: steps + 1,
      levels: present,
      kernel_size: refined ? config.kernel_size : 0,
      propagations: config.propagations,
      prior: config.prior,
      decimals: { coefficients: 6, sums: 4 },
      limits: limits(arrays, present, steps, config.propagations),
    },
    photo: picture,
    arrays,
  };
}

/**
 * The largest absolute value of each kind of map, over all time steps.
 * @param {Arrays} arrays
 * @param {string[]} levels
 * @param {number} steps T
 * @param {number} propagations
 * @returns {Record<string, number>} by level, "change", "refinement", "coefficients"; 1 where all values are 0
 */
export function limits(arrays, levels, steps, propagations) {
  /** @type {Record<string, number>} */
  const largestValues = {};
  /** @type {(name: string) => Float32Array[]} */
  const atEveryStep = (name) =>
    Array.from({ length: steps + 1 }, (_, t) => arrays[`rln.t${t}.${name}`]).filter(Boolean);
  for (const level of levels) largestValues[level] = largest(atEveryStep(`${level}.weight_map`)) || 1;
  const predictions = atEveryStep("saliency");
  largestValues.change = largest(predictions.slice(1).map((map, t) => minus(map, predictions[t]))) || 1;
  const [prior, refined] = [arrays["brn.round0"], arrays[`brn.round${propagations}`]];
  if (prior && refined) largestValues.refinement = largest([minus(refined, prior)]) || 1;
  if (arrays["brn.coefficients"]) largestValues.coefficients = largest([arrays["brn.coefficients"]]) || 1;
  return largestValues;
}

/** @param {Float32Array[]} maps */
function largest(maps) {
  let most = 0;
  for (const map of maps) for (const value of map) most = Math.max(most, Math.abs(value));
  return most;
}

/**
 * @param {Float32Array} after
 * @param {Float32Array} before
 */
const minus = (after, before) => after.map((value, i) => value - before[i]);

/**
 * The map after BRN in the photo's size.
 * @param {Pass} pass
 */
export const finalMap = ({ header, arrays }) =>
  toSize(arrays[`brn.round${header.propagations}`], header.brn, header.photo);

/**
 * Return the photo's pixel with the highest last prediction.
 * @param {Pass} pass
 * @returns {{x: number, y: number}}
 */
export function mostSalient({ header, arrays }) {
  const { photo, rln, steps } = header;
  return onPhoto(arrays[`rln.t${steps - 1}.saliency`], rln, photo);
}

/**
 * Return the photo's pixel that BRN changed most (Trace.most_changed). Pixels whose kernel reaches outside the map only
 * count if there are no others, because changes along the sides are often artefacts.
 * @param {Pass} pass with BRN's maps
 * @returns {{x: number, y: number}}
 */
export function mostChanged({ header, arrays }) {
  const { photo, brn, kernel_size, propagations } = header;
  const [prior, refined] = [arrays["brn.round0"], arrays[`brn.round${propagations}`]];
  const reach = kernel_size >> 1;
  const change = new Float32Array(prior.length).fill(Number.NEGATIVE_INFINITY);
  // A photo smaller than the map does not have a pixel for each of the map's cells.
  const columns = new Set(Array.from({ length: photo.width }, (_, x) => cellOf(x, photo.width, brn.width)));
  const rows = new Set(Array.from({ length: photo.height }, (_, y) => cellOf(y, photo.height, brn.height)));
  for (const y of rows) {
    for (const x of columns) {
      const inner = x >= reach && x < brn.width - reach && y >= reach && y < brn.height - reach;
      const i = y * brn.width + x;
      change[i] = Math.abs(Math.fround(refined[i] - prior[i])) - (inner ? 0 : 1);
    }
  }
  return onPhoto(change, brn, photo);
}

/**
 * Return the photo's pixel in the middle of the cell with the largest value.
 * @param {Float32Array} values
 * @param {Size} grid
 * @param {Size} photo
 */
function onPhoto(values, grid, photo) {
  const place = values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
  return {
    x: pixelOf(place % grid.width, grid.width, photo.width),
    y: pixelOf(Math.floor(place / grid.width), grid.height, photo.height),
  };
}
