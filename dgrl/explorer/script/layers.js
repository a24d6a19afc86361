// The maps of a pass that can be laid over its photo: what there is, its scale, its value at a place.

import { clamp } from "./places.js";

/** @typedef {import("./unpack.js").Pass} Pass */

/**
 * @typedef {Object} Layer
 * @property {Float32Array} values (height, width)
 * @property {number} width
 * @property {number} height
 * @property {boolean} aligned the corner cells' centres lie on the photo's corners, as RLN sizes its weight maps up
 * @property {"weights" | "saliency" | "signed"} colours
 * @property {number} low
 * @property {number} high
 * @property {string} label
 */

/** The map before BRN and that after it at once, where one pass is shown; of two passes, those after it. */
export const BOTH = "both";
/** The maps in the order of the network, whatever the time step. */
export const MAPS = [
  "photo",
  "conv3",
  "conv4",
  "conv5",
  "prediction",
  "change",
  "prior",
  "refinement",
  "refined",
  BOTH,
];

/** Ends of the scale of differences; of weights, whose mean is 1, WEIGHT_FACTOR times as much. */
export const SCALES = [1, 0.5, 0.2, 0.05];
const WEIGHT_FACTOR = 4;

/**
 * The tap that a weight map passes through.
 * @param {number} step
 * @param {string} level
 */
export const weightTap = (step, level) => `rln.t${step}.${level}.weight_map`;

/**
 * A map at a time step; null where there is none: no change at t = 0, no weight maps without CWM, no photo as numbers.
 * @param {Pass} pass
 * @param {string} map one of MAPS
 * @param {number} step maps after the last step are the same for all
 * @param {number} scale the end of the scale of differences
 * @param {number} [limit] the end of the scale of weights, where several passes share one
 * @returns {Layer | null}
 */
export function layerOf(pass, map, step, scale, limit) {
  const { header, arrays } = pass;
  const { rln, brn, propagations } = header;
  const t = Math.min(step, header.steps - 1);
  const saliency = { aligned: false, colours: /** @type {const} */ ("saliency"), low: 0, high: 1 };
  const difference = { aligned: false, colours: /** @type {const} */ ("signed"), low: -scale, high: scale };
  const prediction = arrays[`rln.t${t}.saliency`];
  const prior = arrays["brn.round0"];
  const refined = arrays[`brn.round${propagations}`];
  if (map === "prediction" && prediction)
    return { values: prediction, ...rln, ...saliency, label: `prediction at t = ${t}` };
  if (map === "change" && t > 0 && prediction) {
    const before = /** @type {Float32Array} */ (arrays[`rln.t${t - 1}.saliency`]);
    return {
      values: minus(prediction, before),
      ...rln,
      ...difference,
      label: `prediction at t = ${t} minus t = ${t - 1}`,
    };
  }
  if (map === "prior" && prior) return { values: prior, ...brn, ...saliency, label: "saliency before BRN" };
  if ((map === "refined" || map === BOTH) && refined)
    return { values: refined, ...brn, ...saliency, label: "saliency after BRN" };
  if (map === "refinement" && prior && refined) {
    return { values: minus(refined, prior), ...brn, ...difference, label: "saliency after BRN minus before" };
  }
  const weights = arrays[weightTap(t, map)];
  if (!weights) return null;
  const { width, height } = sizeOf(pass, weightTap(t, map), weights);
  const high = limit ?? header.limits[map] ?? 1;
  const label = `weight of ${map} at t = ${t}, ${width} × ${height} cells, mean 1`;
  return { values: weights, width, height, aligned: true, colours: "weights", low: 0, high, label };
}

/**
 * A map's grid: weight maps are square unless the header says otherwise.
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
function minus(after, before) {
  return after.map((value, i) => value - /** @type {number} */ (before[i]));
}

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
      values[i] = valueAt(second, across, down) - /** @type {number} */ (first.values[i]);
    }
  }
  const end = first.colours === "weights" ? scale * WEIGHT_FACTOR : scale;
  const label = `${first.label}: second minus first`;
  return { values, width, height, aligned, colours: "signed", low: -end, high: end, label };
}

/** @param {Layer} layer */
export function meanSize(layer) {
  return layer.values.reduce((sum, value) => sum + Math.abs(value), 0) / layer.values.length;
}

/**
 * A map's value at a place of the photo: of the cell that covers it; between cells' centres for aligned maps, as the
 * network and the picture have it.
 * @param {Layer} layer
 * @param {number} across from 0 to 1
 * @param {number} down from 0 to 1
 */
export function valueAt(layer, across, down) {
  const { values, width, height } = layer;
  if (!layer.aligned) {
    const column = clamp(Math.floor(across * width), 0, width - 1);
    return /** @type {number} */ (values[clamp(Math.floor(down * height), 0, height - 1) * width + column]);
  }
  const x = across * (width - 1);
  const y = down * (height - 1);
  const left = clamp(Math.floor(x), 0, Math.max(width - 2, 0));
  const top = clamp(Math.floor(y), 0, Math.max(height - 2, 0));
  const right = Math.min(left + 1, width - 1);
  const bottom = Math.min(top + 1, height - 1);
  /** @type {(row: number, column: number) => number} */
  const cell = (row, column) => /** @type {number} */ (values[row * width + column]);
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
