// Turns edits (dgrl/edits.py) into inputs of the graphs (dgrl/export/inputs.py).

import { readMask } from "../../numbers/masks.js";
import { shares } from "../../numbers/painting.js";
import vocabulary from "../../vocabulary.js";

/** @typedef {import("../../state/scene.js").Edit} Edit */
/** @typedef {import("./worker.js").Inputs} Inputs */
/** @typedef {Record<string, {width: number, height: number}>} Grids of the weight maps, by level */

/** Order of the edits: a map that is both flattened and painted is flattened first, and a patch stands for the whole map. */
const RANK = ["prompt", "flatten", "patch", "paint", "feedback", "kernels", "unrefined"];
/** The share of a prompted map’s mass that lies on the prompt. */
const SHARE = vocabulary.prompt.share;

/**
 * @param {Edit[]} edits invalid ones are ignored, because anyone can write a link
 * @param {number} steps T of the pass
 * @param {Grids} grids
 * @param {Record<string, Float32Array>} recorded values of other passes, by the tap that a patch puts them at
 * @returns {Inputs}
 */
export function inputsOf(edits, steps, grids, recorded = {}) {
  /** @type {Inputs} */
  const inputs = {};
  const ranked = [...edits].sort((first, second) => RANK.indexOf(first.kind) - RANK.indexOf(second.kind));
  for (const edit of ranked) {
    const { kind, level = "", block = "", at = null } = edit;
    const grid = grids[level];
    for (let t = 0; t <= steps; t++) {
      if (at !== null && at !== t) continue;
      const map = `rln.t${t}.${level}.weight_map`;
      if (kind === "flatten" && grid) Object.assign(inputs, { [`${map}.factor`]: 0, [`${map}.given`]: 1 });
      if (kind === "paint" && grid) Object.assign(inputs, paintInputs(map, edit, grid, inputs));
      const scale = `rln.t${t}.${block}.feedback.scale`;
      if (kind === "feedback" && block && t > 0) inputs[scale] = Number(inputs[scale] ?? 1) * (edit.factor ?? 0);
    }
    const recordedMap = kind === "patch" && recorded[edit.tap ?? ""];
    if (recordedMap) Object.assign(inputs, { [`${edit.tap}.factor`]: 0, [`${edit.tap}.given`]: recordedMap });
    if (kind === "prompt") Object.assign(inputs, promptInputs(edit, grids));
    if (kind === "kernels") inputs["brn.coefficients.mix"] = edit.to === "mean" ? [0, 1, 0] : [0, 0, 1];
    if (kind === "unrefined") inputs["brn.refined.share"] = 0;
  }
  return inputs;
}

/**
 * @param {string} map
 * @param {Edit} edit
 * @param {{width: number, height: number}} grid
 * @param {Inputs} inputs
 * @returns {Inputs}
 */
function paintInputs(map, { mask: text, strength = 4 }, { width, height }, inputs) {
  const mask = readMask(text);
  if (!mask) return {};
  const factor = shares(mask, width, height).map((share) => 1 + (strength - 1) * share);
  const [before, givenMap] = [inputs[`${map}.factor`], inputs[`${map}.given`]];
  if (givenMap === undefined) {
    return { [`${map}.factor`]: before instanceof Float32Array ? factor.map((value, i) => value * before[i]) : factor };
  }
  const product = factor.map((value, i) => value * (givenMap instanceof Float32Array ? givenMap[i] : Number(givenMap)));
  const mean = product.reduce((sum, value) => sum + value, 0) / product.length;
  return { [`${map}.factor`]: 0, [`${map}.given`]: product.map((value) => value / mean) };
}

/**
 * Return the inputs that prompt every level's map at the first look with a box or a mask (dgrl.prompts).
 * @param {Edit & {share?: number}} edit
 * @param {Grids} grids
 * @returns {Inputs}
 */
function promptInputs({ box, mask: text, share = SHARE }, grids) {
  /** @type {Inputs} */
  const inputs = {};
  for (const [level, { width, height }] of Object.entries(grids)) {
    const area = box ? boxArea(box, width, height) : maskArea(text, width, height);
    const total = area?.reduce((sum, value) => sum + value, 0) ?? 0;
    if (!area || !total) continue;
    const name = `rln.t0.${level}.weight_map`;
    const size = width * height;
    inputs[`${name}.factor`] = 0;
    inputs[`${name}.given`] = area.map((value) => (share * size * value) / total + (1 - share));
  }
  return inputs;
}

/**
 * The sizes of the weight maps.
 * @param {Record<string, {inputs: Record<string, number[]>}>} graphs of the manifest
 * @returns {Grids}
 */
export function gridsOf(graphs) {
  const entries = Object.entries(graphs.step0?.inputs ?? {}).flatMap(([name, shape]) => {
    const level = /^rln\.t0\.(\w+)\.weight_map\.factor$/.exec(name)?.[1];
    return level ? [[level, { height: shape[2], width: shape[3] }]] : [];
  });
  return Object.fromEntries(entries);
}

/**
 * Return how much of each cell of a row lies between two shares of the row's length.
 * @param {number} start
 * @param {number} end
 * @param {number} cells
 */
const overlaps = (start, end, cells) =>
  Float64Array.from({ length: cells }, (_, i) => {
    return cells * Math.max(Math.min((i + 1) / cells, end) - Math.max(i / cells, start), 0);
  });

/**
 * Return how much of each cell a box covers.
 * @param {number[]} box x0, y0, x1, y1 in shares of the photo
 * @param {number} width cells
 * @param {number} height
 */
function boxArea([x0 = 0, y0 = 0, x1 = 0, y1 = 0], width, height) {
  const [columns, rows] = [overlaps(x0, x1, width), overlaps(y0, y1, height)];
  return Float32Array.from({ length: width * height }, (_, i) => rows[Math.floor(i / width)] * columns[i % width]);
}

/**
 * Return how much of each cell a mask covers.
 * @param {string | undefined} text
 * @param {number} width cells
 * @param {number} height
 */
function maskArea(text, width, height) {
  const mask = readMask(text);
  if (!mask) return null;
  const across = Array.from({ length: mask.width }, (_, x) => overlaps(x / mask.width, (x + 1) / mask.width, width));
  const down = Array.from({ length: mask.height }, (_, y) => overlaps(y / mask.height, (y + 1) / mask.height, height));
  const area = new Float32Array(width * height);
  mask.data.forEach((value, place) => {
    if (!value) return;
    const [columns, rows] = [across[place % mask.width], down[Math.floor(place / mask.width)]];
    rows.forEach((tall, row) => {
      if (tall)
        columns.forEach((wide, column) => {
          area[row * width + column] += tall * wide;
        });
    });
  });
  return area;
}
