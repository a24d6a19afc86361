// Edits, as links write them (dgrl/explorer/edits.py), as inputs of the graphs (dgrl/export/inputs.py).

import { readMask } from "../../dgrl/explorer/script/masks.js";
import { shares } from "../../dgrl/explorer/script/painting.js";

/** @typedef {import("../../dgrl/app/script/links.js").Edit} Edit */
/** @typedef {import("./worker.js").Inputs} Inputs */
/** @typedef {Record<string, {width: number, height: number}>} Grids of the weight maps, by level */

/** A map that is both flattened and painted is painted on an even one. */
const RANK = ["flatten", "paint", "feedback", "kernels", "unrefined"];

/**
 * @param {Edit[]} edits what cannot be is left out: links are written by anybody
 * @param {number} steps T of the pass
 * @param {Grids} grids
 * @returns {Inputs}
 */
export function inputsOf(edits, steps, grids) {
  /** @type {Inputs} */
  const inputs = {};
  const ranked = [...edits].sort((one, other) => RANK.indexOf(one.kind) - RANK.indexOf(other.kind));
  for (const edit of ranked) {
    const { kind, level = "", block = "", at = null } = edit;
    const grid = grids[level];
    for (let t = 0; t <= steps; t++) {
      if (at !== null && at !== t) continue;
      const map = `rln.t${t}.${level}.weight_map`;
      if (kind === "flatten" && grid) Object.assign(inputs, { [`${map}.factor`]: 0, [`${map}.given`]: 1 });
      if (kind === "paint" && grid) Object.assign(inputs, painted(map, edit, grid, inputs));
      const scale = `rln.t${t}.${block}.feedback.scale`;
      if (kind === "feedback" && block && t > 0) inputs[scale] = Number(inputs[scale] ?? 1) * (edit.factor ?? 0);
    }
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
function painted(map, { mask: text, strength = 4 }, { width, height }, inputs) {
  const mask = readMask(text);
  if (!mask) return {};
  const factor = shares(mask, width, height).map((share) => 1 + (strength - 1) * share);
  const [before, given] = [inputs[`${map}.factor`], inputs[`${map}.given`]];
  if (given === undefined) {
    return { [`${map}.factor`]: before instanceof Float32Array ? factor.map((value, i) => value * before[i]) : factor };
  }
  const whole = factor.map((value, i) => value * (given instanceof Float32Array ? given[i] : Number(given)));
  const mean = whole.reduce((sum, value) => sum + value, 0) / whole.length;
  return { [`${map}.factor`]: 0, [`${map}.given`]: whole.map((value) => value / mean) };
}

/**
 * The sizes of the weight maps.
 * @param {Record<string, {inputs: Record<string, number[]>}>} graphs of the manifest
 * @returns {Grids}
 */
export function gridsOf(graphs) {
  const found = Object.entries(graphs.step0?.inputs ?? {}).flatMap(([name, shape]) => {
    const level = /^rln\.t0\.(\w+)\.weight_map\.factor$/.exec(name)?.[1];
    return level ? [[level, { height: shape[2], width: shape[3] }]] : [];
  });
  return Object.fromEntries(found);
}
