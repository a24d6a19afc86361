// What the worker gives, as a pass that the explorer shows; and what was found, in words.

import { toSize } from "./sizing.js";

/** @typedef {import("../../dgrl/explorer/script/unpack.js").Pass} Pass */
/** @typedef {import("./worker.js").Config} Config */
/** @typedef {import("./photos.js").Photo} Photo */
/** @typedef {Record<string, Float32Array>} Arrays */

/**
 * @typedef {Object} Manifest What web/build.py writes.
 * @property {string} name of the checkpoint
 * @property {Config} config
 * @property {{weights: string, saliency: string, signed: string}} colours
 * @property {{coefficients: number, sums: number}} decimals
 * @property {{above: number, least: number}} found
 * @property {string[]} photos
 * @property {import("./experiments.js").Experiment[]} experiments
 * @property {string} version
 */

const LEVELS = ["conv3", "conv4", "conv5"];

/**
 * @param {Manifest} manifest
 * @param {Photo} photo
 * @param {Arrays} arrays of a whole pass, or of RLN alone
 * @param {number} steps T
 * @returns {Pass}
 */
export function makePass(manifest, photo, arrays, steps) {
  const { config, colours, decimals } = manifest;
  const levels = LEVELS.filter((level) => arrays[`rln.t0.${level}.weight_map`]);
  const { width, height } = photo.image;
  return {
    header: {
      format: "dgrl-bundle-1",
      title: photo.name,
      found: "",
      photo: { width, height },
      rln: { width: config.rln_size, height: config.rln_size },
      brn: { width: config.brn_size, height: config.brn_size },
      steps: steps + 1,
      levels,
      kernel_size: config.kernel_size,
      propagations: config.propagations,
      prior: config.prior,
      decimals,
      limits: limits(arrays, levels, steps, config.propagations),
      colours,
    },
    photo: photo.bitmap,
    arrays,
  };
}

/**
 * The largest absolute value of each kind of map, over all time steps: the colours' scales.
 * @param {Arrays} arrays
 * @param {string[]} levels
 * @param {number} steps
 * @param {number} propagations
 * @returns {Record<string, number>}
 */
function limits(arrays, levels, steps, propagations) {
  /** @type {Record<string, number>} */
  const found = {};
  /** @type {(name: string) => Float32Array[]} */
  const over = (name) => Array.from({ length: steps + 1 }, (_, t) => arrays[`rln.t${t}.${name}`]).filter(Boolean);
  for (const level of levels) found[level] = largest(over(`${level}.weight_map`)) || 1;
  const predictions = over("saliency");
  found.change = largest(predictions.slice(1).map((map, t) => minus(map, predictions[t]))) || 1;
  const [prior, refined] = [arrays["brn.round0"], arrays[`brn.round${propagations}`]];
  if (prior && refined) found.refinement = largest([minus(refined, prior)]) || 1;
  if (arrays["brn.coefficients"]) found.coefficients = largest([arrays["brn.coefficients"]]) || 1;
  return found;
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
export function finalMap({ header, arrays }) {
  return toSize(/** @type {Float32Array} */ (arrays[`brn.round${header.propagations}`]), header.brn, header.photo);
}

/**
 * The share of the photo that is the object (dgrl.trace.found_in): 0 if there is none.
 * @param {Float32Array} map
 * @param {Manifest["found"]} found
 */
export function shareFound(map, found) {
  let count = 0;
  for (const value of map) if (value > found.above) count += 1;
  const share = count / map.length;
  return share >= found.least ? share : 0;
}

/** @param {number} share */
export function foundInWords(share) {
  if (!share) return "No object stands out in this photo.";
  return `${(100 * share).toFixed(1)} % of the photo is salient with a probability above one half.`;
}

/**
 * How far two passes over one photo differ.
 * @param {Pass} before
 * @param {Pass} after
 */
export function meanChange(before, after) {
  const one = /** @type {Float32Array} */ (before.arrays[`brn.round${before.header.propagations}`]);
  const other = /** @type {Float32Array} */ (after.arrays[`brn.round${after.header.propagations}`]);
  return other.reduce((sum, value, i) => sum + Math.abs(value - one[i]), 0) / other.length;
}
