// What the worker gives, as a pass that the explorer shows; and what was found, in words.

import { pixelOf } from "../../dgrl/explorer/script/places.js";
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
 * @property {string[]} photos file names of the examples
 * @property {Record<string, import("./worker.js").Graph>} graphs
 * @property {import("../../dgrl/app/script/experiments.js").Experiment[]} experiments
 * @property {string} version
 */

const LEVELS = ["conv3", "conv4", "conv5"];
/** Numbers are of the photo's own size, up to so many pixels. */
export const LONGEST = 1280;

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
 * The photo's pixel that the last time step is surest of.
 * @param {Pass} pass
 */
export function surest({ header, arrays }) {
  const { photo, rln, steps } = header;
  const map = /** @type {Float32Array} */ (arrays[`rln.t${steps - 1}.saliency`]);
  const place = map.reduce((best, value, i) => (value > map[best] ? i : best), 0);
  return {
    x: pixelOf(place % rln.width, rln.width, photo.width),
    y: pixelOf(Math.floor(place / rln.width), rln.height, photo.height),
  };
}

/**
 * Which pixels are the salient object (dgrl.trace.found_in); none if they are too few.
 * @param {Float32Array} map
 * @param {Manifest["found"]} found
 */
export function foundIn(map, { above, least }) {
  const there = map.map((value) => (value > above ? 1 : 0));
  const share = there.reduce((sum, one) => sum + one, 0) / map.length;
  return share >= least ? { there, share } : { there: there.fill(0), share: 0 };
}

/** @param {number} share */
export function foundInWords(share) {
  if (!share) return "No object stands out in this photo.";
  return `${(100 * share).toFixed(1)} % of this photo is salient with a probability above one half.`;
}

/**
 * How an altered pass differs from the untouched one (dgrl.evaluation.comparison), for the panel of alterations.
 * @param {Pass} untouched
 * @param {Pass} altered
 * @param {Manifest["found"]} found
 */
export function changesOf(untouched, altered, found) {
  const { photo, rln, brn, propagations } = untouched.header;
  const factor = Math.min(1, LONGEST / Math.max(photo.width, photo.height));
  const size = { width: Math.ceil(photo.width * factor), height: Math.ceil(photo.height * factor) };
  /** @param {Pass} pass */
  const localised = ({ header, arrays }) =>
    toSize(/** @type {Float32Array} */ (arrays[`rln.t${header.steps - 1}.saliency`]), rln, size);
  /** @param {Pass} pass */
  const refined = ({ arrays }) => toSize(/** @type {Float32Array} */ (arrays[`brn.round${propagations}`]), brn, size);
  const { there } = foundIn(refined(untouched), found);
  /** @param {(pass: Pass) => Float32Array} map */
  const pair = (map) => {
    const [before, after] = [map(untouched), map(altered)];
    const apart = before.reduce((sum, value, i) => sum + Math.abs(after[i] - value), 0) / before.length;
    return { untouched: means(before, there), altered: means(after, there), mean_absolute_difference: apart };
  };
  return { localised: pair(localised), refined: pair(refined) };
}

/**
 * @param {Float32Array} map
 * @param {Float32Array} there
 */
function means(map, there) {
  let [inside, count, all] = [0, 0, 0];
  map.forEach((value, i) => {
    all += value;
    if (there[i]) {
      inside += value;
      count += 1;
    }
  });
  const outside = map.length - count;
  return { inside: count ? inside / count : null, outside: outside ? (all - inside) / outside : null };
}
