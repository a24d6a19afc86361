// How a changed pass differs from the original one, in numbers, as in dgrl.evaluation.comparison.

import { foundIn } from "./found.js";
import { toSize } from "./sizing.js";

/** @typedef {import("./pass.js").Pass} Pass */

/**
 * @typedef {Object} Reading Mean saliency inside and outside the found object.
 * @property {number | null} inside null if nothing was found
 * @property {number | null} outside null if the object covers the whole photo
 */

/**
 * @typedef {Object} Change
 * @property {Reading} untouched of the original pass
 * @property {Reading} altered of the changed pass
 * @property {number} mean_absolute_difference
 */

/** Longest side at which maps are compared. */
export const LONGEST = 1280;

/**
 * @param {Pass} first the original, with BRN's maps; the found object is that of this pass
 * @param {Pass} second
 * @param {{above: number, least: number}} found thresholds, see `foundIn`
 * @returns {{localised: Change, refined: Change} | null} RLN's last prediction and the map after BRN; null if the
 *   photos differ in size
 */
export function changesOf(first, second, found) {
  const { photo, rln, brn } = first.header;
  if (photo.width !== second.header.photo.width || photo.height !== second.header.photo.height) return null;
  const factor = Math.min(1, LONGEST / Math.max(photo.width, photo.height));
  const size = { width: Math.ceil(photo.width * factor), height: Math.ceil(photo.height * factor) };
  /** @param {Pass} pass */
  const localised = ({ header, arrays }) => toSize(arrays[`rln.t${header.steps - 1}.saliency`], rln, size);
  /** @param {Pass} pass */
  const refined = ({ header, arrays }) => toSize(arrays[`brn.round${header.propagations}`], brn, size);
  const { mask } = foundIn(refined(first), found);
  /** @param {(pass: Pass) => Float32Array} map */
  const change = (map) => {
    const [before, after] = [map(first), map(second)];
    return {
      untouched: means(before, mask),
      altered: means(after, mask),
      mean_absolute_difference: meanDifference(before, after),
    };
  };
  return { localised: change(localised), refined: change(refined) };
}

/**
 * The mean absolute difference of two maps of one size.
 * @param {Float32Array} first
 * @param {Float32Array} second
 */
export function meanDifference(first, second) {
  return first.reduce((sum, value, i) => sum + Math.abs(second[i] - value), 0) / first.length;
}

/**
 * @param {Float32Array} map
 * @param {Uint8Array} mask
 * @returns {Reading}
 */
function means(map, mask) {
  let [inside, count, total] = [0, 0, 0];
  map.forEach((value, i) => {
    total += value;
    if (!mask[i]) return;
    inside += value;
    count += 1;
  });
  const outside = map.length - count;
  return { inside: count ? inside / count : null, outside: outside ? (total - inside) / outside : null };
}
