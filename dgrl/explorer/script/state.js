// What the explorer shows, as one small object that fits a link.

import { MAPS, SCALES } from "./layers.js";
import { clamp, pixelAt } from "./places.js";

/** @typedef {import("./unpack.js").Pass} Pass */

export const ARRANGEMENTS = ["beside", "wipe", "difference"];
export const WINDOWS = ["coefficients", "neighbours", "foreground", "background"];
const THEMES = ["auto", "light", "dark"];

/**
 * @typedef {Object} State
 * @property {number} x the photo's pixel, of the first pass
 * @property {number} y
 * @property {boolean} pinned the pixel stays where it is while the pointer moves
 * @property {number} step
 * @property {string} map one of MAPS
 * @property {number} opacity of the map over the photo, from 0 to 1
 * @property {string} arrangement of two passes, one of ARRANGEMENTS
 * @property {number} wipe where the second pass begins, from 0 to 1
 * @property {number} scale the end of the scale of differences, one of SCALES
 * @property {number} slot whose strip and kernel are shown: 0 or 1
 * @property {number} round BRN's propagation, from 1
 * @property {string} window which part of the arithmetic is shown where there is room for one, one of WINDOWS
 * @property {boolean} present large digits and no prose
 * @property {string} theme "auto", "light" or "dark"
 */

/**
 * What is shown at first: the last step's prediction, and a pixel in the middle.
 * @param {Pass} pass
 * @returns {State}
 */
export function firstState({ header }) {
  return {
    x: pixelAt(0.5, header.photo.width),
    y: pixelAt(0.5, header.photo.height),
    pinned: false,
    step: header.steps - 1,
    map: "prediction",
    opacity: 0.8,
    arrangement: "beside",
    wipe: 0.5,
    scale: 0.5,
    slot: 0,
    round: header.propagations,
    window: "coefficients",
    present: false,
    theme: "auto",
  };
}

/**
 * A state with some of it changed, and everything in it possible: links are written by anybody.
 * @param {State} state
 * @param {Record<string, unknown>} changes
 * @param {(Pass | null)[]} passes
 * @returns {State}
 */
export function changed(state, changes, passes) {
  const merged = { ...state };
  for (const [name, value] of Object.entries(changes)) {
    const key = /** @type {keyof State} */ (name);
    if (Object.hasOwn(state, key) && typeof value === typeof state[key] && !Number.isNaN(value)) {
      Object.assign(merged, { [key]: value });
    }
  }
  const [first, second] = passes;
  if (!first) return merged;
  const { photo, propagations } = first.header;
  const steps = Math.max(first.header.steps, second?.header.steps ?? 0);
  /** @type {<T>(choices: T[], value: T, other: T) => T} */
  const among = (choices, value, other) => (choices.includes(value) ? value : other);
  return {
    ...merged,
    x: clamp(Math.floor(merged.x), 0, photo.width - 1),
    y: clamp(Math.floor(merged.y), 0, photo.height - 1),
    step: clamp(Math.floor(merged.step), 0, steps - 1),
    map: among(MAPS, merged.map, state.map),
    opacity: clamp(merged.opacity, 0, 1),
    arrangement: among(ARRANGEMENTS, merged.arrangement, state.arrangement),
    wipe: clamp(merged.wipe, 0, 1),
    scale: among(SCALES, merged.scale, state.scale),
    slot: second && merged.slot === 1 ? 1 : 0,
    round: clamp(Math.floor(merged.round), 1, propagations),
    window: among(WINDOWS, merged.window, state.window),
    theme: among(THEMES, merged.theme, state.theme),
  };
}
