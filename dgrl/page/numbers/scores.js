// Scores of maps against a mask, as in dgrl.evaluation.metrics (pysodmetrics): those that only need counting.

import { toSize } from "./sizing.js";

/** @typedef {import("./pass.js").Pass} Pass */

const THRESHOLDS = 256;
const BETA = 0.3;

/**
 * @param {Pass} pass
 * @param {{data: Uint8ClampedArray, width: number, height: number}} mask of the photo's size, brighter than half on the object
 * @param {boolean} stretch each map to [0, 1] by its minimum and maximum first
 * @returns {Record<string, Record<string, number>>} MAE, maxF, meanF, adaptiveF by map
 */
export function scoresOf({ header, arrays }, mask, stretch) {
  const { photo, rln, brn, steps, propagations } = header;
  const truth = Uint8Array.from({ length: mask.width * mask.height }, (_, i) => (mask.data[4 * i] > 127 ? 1 : 0));
  /** @type {Record<string, Record<string, number>>} */
  const scores = {};
  for (let t = 0; t < steps; t++)
    scores[`t${t}`] = score(toSize(arrays[`rln.t${t}.saliency`], rln, photo), truth, stretch);
  scores.refined = score(toSize(arrays[`brn.round${propagations}`], brn, photo), truth, stretch);
  return scores;
}

/**
 * @param {Float32Array} saliency
 * @param {Uint8Array} truth 0 or 1
 * @param {boolean} stretch
 */
export function score(saliency, truth, stretch) {
  // Round as NumPy does: in float32, halves to the even byte.
  const bytes = Uint8ClampedArray.from(saliency, (value) => Math.fround(255 * value));
  let [low, high] = [255, 0];
  for (const value of bytes) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale =
    stretch && high > low
      ? (/** @type {number} */ value) => (value / 255 - low / 255) / (high / 255 - low / 255)
      : (/** @type {number} */ value) => value / 255;
  const inside = new Float64Array(THRESHOLDS);
  const pixelsByValue = new Float64Array(THRESHOLDS);
  let [error, sum, size] = [0, 0, 0];
  bytes.forEach((byte, i) => {
    const value = scale(byte);
    const bin = Math.floor(255 * value);
    pixelsByValue[bin] += 1;
    inside[bin] += truth[i];
    error += Math.abs(value - truth[i]);
    sum += value;
    size += truth[i];
  });
  const curve = fCurve(inside, pixelsByValue, size);
  const threshold = Math.min((2 * sum) / bytes.length, 1);
  let [hits, positives] = [0, 0];
  bytes.forEach((byte, i) => {
    if (scale(byte) < threshold) return;
    positives += 1;
    hits += truth[i];
  });
  return {
    MAE: error / bytes.length,
    maxF: Math.max(...curve),
    meanF: curve.reduce((total, value) => total + value, 0) / curve.length,
    adaptiveF: fOf(hits, positives, size),
  };
}

/**
 * Return F for the thresholds 255 … 0.
 * @param {Float64Array} inside pixels of the object by their value
 * @param {Float64Array} pixelsByValue pixels by their value
 * @param {number} size of the object
 */
function fCurve(inside, pixelsByValue, size) {
  let [hits, positives] = [0, 0];
  return Array.from({ length: THRESHOLDS }, (_, i) => {
    hits += inside[THRESHOLDS - 1 - i];
    positives += pixelsByValue[THRESHOLDS - 1 - i];
    return fOf(hits, positives, size);
  });
}

/**
 * @param {number} hits
 * @param {number} positives
 * @param {number} size
 */
function fOf(hits, positives, size) {
  if (!hits) return 0;
  const [precision, recall] = [hits / positives, hits / size];
  return ((1 + BETA) * precision * recall) / (BETA * precision + recall);
}
