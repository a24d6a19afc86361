// The maps of a pass that can cover its photo: their scales, labels and values.

import vocabulary from "../vocabulary.js";
import { clamp } from "./places.js";

/** @typedef {import("./pass.js").Pass} Pass */

/**
 * @typedef {Object} Layer
 * @property {Float32Array} values (height, width)
 * @property {number} width
 * @property {number} height
 * @property {boolean} aligned the centres of the corner cells lie on the photo's corners, as RLN resizes its attention
 *   maps; values are interpolated between cells
 * @property {"weights" | "saliency" | "signed"} colours name of the palette
 * @property {number} low start of the colour scale
 * @property {number} high end of it
 * @property {string} label
 */

/** All maps in the order of the network. "result" is the photo with the found object lit. */
export const MAPS = vocabulary.maps.map(({ name }) => name);

/** Ends of the scale of differences; WEIGHT_FACTOR times as much for attention maps, because their mean is 1. */
export const SCALES = [1, 0.5, 0.2, 0.05];
const WEIGHT_FACTOR = 4;

/**
 * The name of the tap of an attention map.
 * @param {number} step
 * @param {string} level
 */
export const weightTap = (step, level) => `rln.t${step}.${level}.weight_map`;

/**
 * Return a map at a time step.
 * @param {Pass} pass
 * @param {string} map one of MAPS
 * @param {number} step larger numbers stand for the last step
 * @param {number} scale end of the scale of differences
 * @param {number} [limit] end of the scale of attention maps, where several passes share one
 * @returns {Layer | null} null if the pass has no such map: for the photo, the change at t = 0, attention maps of a
 * network
 *   without CWM, and BRN's maps while BRN has not run
 */
export function layerOf(pass, map, step, scale, limit) {
  const t = Math.min(step, pass.header.steps - 1);
  return localisedLayer(pass, map, t, scale) ?? refinedLayer(pass, map, scale) ?? attentionLayer(pass, map, t, limit);
}

/**
 * Return RLN's prediction, or its change from one look to the next.
 * @param {Pass} pass
 * @param {string} map
 * @param {number} t
 * @param {number} scale
 * @returns {Layer | null}
 */
function localisedLayer({ header, arrays }, map, t, scale) {
  const prediction = arrays[`rln.t${t}.saliency`];
  const before = arrays[`rln.t${t - 1}.saliency`];
  if (map === "prediction" && prediction) return saliencyLayer(prediction, header.rln, `${wordOf(map)}, look ${t + 1}`);
  if (map !== "change" || !prediction || !before) return null;
  return signedLayer(minus(prediction, before), header.rln, scale, `Change from look ${t} to look ${t + 1}`);
}

/**
 * The maps before and after BRN.
 * @param {Pass} pass
 * @param {string} map
 * @param {number} scale
 * @returns {Layer | null}
 */
function refinedLayer({ header, arrays }, map, scale) {
  const { brn, propagations } = header;
  const prior = arrays["brn.round0"];
  const refined = arrays[`brn.round${propagations}`];
  if (map === "prior" && prior) return saliencyLayer(prior, brn, wordOf(map));
  if (!refined) return null;
  if (map === "result" || map === "refined") return saliencyLayer(refined, brn, wordOf(map));
  if (map !== "refinement" || !prior) return null;
  return signedLayer(minus(refined, prior), brn, scale, wordOf(map));
}

/**
 * CWM's attention map at a level.
 * @param {Pass} pass
 * @param {string} level
 * @param {number} t
 * @param {number | undefined} limit
 * @returns {Layer | null}
 */
function attentionLayer(pass, level, t, limit) {
  const tap = weightTap(t, level);
  const values = pass.arrays[tap];
  if (!values) return null;
  const high = limit ?? pass.header.limits[level] ?? 1;
  const label = `${wordOf(level)}, look ${t + 1}`;
  return { values, ...sizeOf(pass, tap, values), aligned: true, colours: "weights", low: 0, high, label };
}

/**
 * Return the word for a map, without its time step.
 * @param {string} map
 */
export const wordOf = (map) => vocabulary.maps.find(({ name }) => name === map)?.word ?? map;

/**
 * @param {Float32Array} values in [0, 1]
 * @param {{width: number, height: number}} size
 * @param {string} label
 * @returns {Layer}
 */
const saliencyLayer = (values, { width, height }, label) => ({
  ...{ values, width, height, aligned: false, colours: "saliency", low: 0, high: 1, label },
});

/**
 * @param {Float32Array} values in [−1, 1]
 * @param {{width: number, height: number}} size
 * @param {number} scale
 * @param {string} label
 * @returns {Layer}
 */
const signedLayer = (values, { width, height }, scale, label) => ({
  ...{ values, width, height, aligned: false, colours: "signed", low: -scale, high: scale, label },
});

/**
 * Return a map's size: attention maps are square unless the header says otherwise.
 * @param {Pass} pass
 * @param {string} name
 * @param {Float32Array} values
 */
function sizeOf(pass, name, values) {
  const [height, width] = pass.header.arrays?.[name]?.shape ?? [Math.sqrt(values.length), Math.sqrt(values.length)];
  return { height: /** @type {number} */ (height), width: /** @type {number} */ (width) };
}

/**
 * @param {Float32Array} after
 * @param {Float32Array} before
 */
const minus = (after, before) => after.map((value, i) => value - before[i]);

/**
 * The second layer minus the first, on the first one's grid.
 * @param {Layer} first
 * @param {Layer} second
 * @param {number} scale
 * @returns {Layer}
 */
export function differenceOf(first, second, scale) {
  const { width, height, aligned } = first;
  const values = new Float32Array(width * height);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      const [across, down] = aligned
        ? [column / Math.max(width - 1, 1), row / Math.max(height - 1, 1)]
        : [(column + 0.5) / width, (row + 0.5) / height];
      values[i] = valueAt(second, across, down) - first.values[i];
    }
  }
  const end = first.colours === "weights" ? scale * WEIGHT_FACTOR : scale;
  const label = `${first.label}: second minus first`;
  return { values, width, height, aligned, colours: "signed", low: -end, high: end, label };
}

/**
 * The mean of a layer's absolute values.
 * @param {Layer} layer
 */
export function meanSize(layer) {
  return layer.values.reduce((sum, value) => sum + Math.abs(value), 0) / layer.values.length;
}

/**
 * Return a map's value at a place of the photo: the value of the cell that covers it. For aligned maps, interpolate
 * between the cells' centres, as the network does.
 * @param {Layer} layer
 * @param {number} across from 0 to 1
 * @param {number} down from 0 to 1
 */
export function valueAt(layer, across, down) {
  const { values, width, height } = layer;
  if (!layer.aligned) {
    const column = clamp(Math.floor(across * width), 0, width - 1);
    return values[clamp(Math.floor(down * height), 0, height - 1) * width + column];
  }
  const x = across * (width - 1);
  const y = down * (height - 1);
  const left = clamp(Math.floor(x), 0, Math.max(width - 2, 0));
  const top = clamp(Math.floor(y), 0, Math.max(height - 2, 0));
  const right = Math.min(left + 1, width - 1);
  const bottom = Math.min(top + 1, height - 1);
  /** @type {(row: number, column: number) => number} */
  const cell = (row, column) => values[row * width + column];
  const upper = cell(top, left) + (x - left) * (cell(top, right) - cell(top, left));
  const lower = cell(bottom, left) + (x - left) * (cell(bottom, right) - cell(bottom, left));
  return upper + (y - top) * (lower - upper);
}

/**
 * A layer's values on a finer grid that covers the photo.
 * @param {Layer} layer
 * @param {number} width
 * @param {number} height
 */
export function spread(layer, width, height) {
  const values = new Float32Array(width * height);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      values[i] = valueAt(layer, (column + 0.5) / width, (row + 0.5) / height);
    }
  }
  return values;
}
