// The marker: the photo's pixel whose numbers are shown.

import { mostChanged, mostSalient } from "../numbers/pass.js";
import { cellOf, clamp, pixelAt } from "../numbers/places.js";
import { passIn } from "./scene.js";

/**
 * @typedef {import("./scene.js").State} State
 * @typedef {import("../numbers/pass.js").Pass} Pass
 */

/**
 * Return the marker's pixel in a slot's own photo.
 * @param {State} state
 * @param {0 | 1} slot
 * @returns {{x: number, y: number, across: number, down: number} | null} also in shares, at the pixel's middle
 */
export function markerOf(state, slot) {
  const pass = passIn(state, slot)?.pass;
  const first = passIn(state, 0)?.pass ?? pass;
  if (!pass || !first) return null;
  const from = first.header.photo;
  const to = pass.header.photo;
  const start = state.scene.x < 0 ? startPixel(first) : state.scene;
  const [x0, y0] = [clamp(start.x, 0, from.width - 1), clamp(start.y, 0, from.height - 1)];
  const [x, y] = slot === 0 ? [x0, y0] : [cellOf(x0, from.width, to.width), cellOf(y0, from.height, to.height)];
  return { x, y, across: (x + 0.5) / to.width, down: (y + 0.5) / to.height };
}

/** @type {WeakMap<Pass, {x: number, y: number}>} */
const starts = new WeakMap();

/**
 * Return the marker's first pixel: the one that BRN changed most, or the most salient one.
 * @param {Pass} pass
 */
function startPixel(pass) {
  const start = starts.get(pass) ?? (pass.arrays["brn.round0"] ? mostChanged(pass) : mostSalient(pass));
  starts.set(pass, start);
  return start;
}

/**
 * The photo's pixel at a share of a slot's photo.
 * @param {State} state
 * @param {0 | 1} slot
 * @param {[number, number]} share
 */
export function pixelAtShare(state, slot, [across, down]) {
  const pass = passIn(state, 0)?.pass ?? passIn(state, slot)?.pass;
  if (!pass) return null;
  const { width, height } = pass.header.photo;
  return { x: pixelAt(across, width), y: pixelAt(down, height) };
}
