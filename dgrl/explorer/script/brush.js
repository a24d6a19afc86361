// The brush: what a person paints on a weight map, step by step of the pointer.

import { contextOf } from "./draw.js";
import { weightTap } from "./layers.js";
import { emptyMask, painted, shares, stroke } from "./painting.js";

/** @typedef {import("./explorer.js").App} App */
/** @typedef {import("./painting.js").Mask} Mask */

/**
 * @typedef {Object} Painting What the event "paint" carries.
 * @property {string} tap
 * @property {string} level
 * @property {number} step
 * @property {number} strength by which painted weights are multiplied
 * @property {Mask} mask over the photo
 * @property {{width: number, height: number, data: Float32Array}} share of each cell that is painted
 * @property {{width: number, height: number, data: Float32Array}} map the painted weight map, mean 1
 * @property {boolean} done the stroke has ended
 */

const INK = [230, 159, 0, 150];

/** @param {App} app */
export function makeBrush(app) {
  const settings = { on: false, rub: false, radius: 0.06, strength: 4 };
  /** @type {Map<string, Mask>} */
  const masks = new Map();
  /** @type {[number, number] | null} */
  let last = null;

  /** Painting needs a weight map on the stage. */
  function active() {
    const { state, slots } = app;
    return settings.on && !!slots[0]?.pass.arrays[weightTap(state.step, state.map)];
  }

  /**
   * The pass in which a painted map is shown until its own pass comes: the second, which the host computes; where the
   * explorer itself offers the brush, nobody does, and the first pass shows it.
   * @param {string} tap
   */
  function preview(tap) {
    const [first, second] = app.slots;
    const same = second?.pass.arrays[tap]?.length === first?.pass.arrays[tap]?.length;
    if (second && same) return second;
    return app.paints ? first : null;
  }

  /** @param {[number, number]} share */
  function start(share) {
    last = share;
    go(share);
  }

  /** @param {[number, number]} share */
  function go(share) {
    const slot = app.slots[0];
    if (!slot || !last) return;
    const tap = weightTap(app.state.step, app.state.map);
    const mask = masks.get(tap) ?? emptyMask(slot.pass.header.photo);
    masks.set(tap, mask);
    stroke(mask, last, share, settings.radius, settings.rub ? 0 : 255);
    last = share;
    tell(false);
  }

  function end() {
    if (last) tell(true);
    last = null;
  }

  /** @param {boolean} done */
  function tell(done) {
    const slot = app.slots[0];
    const { step, map: level } = app.state;
    const tap = weightTap(step, level);
    const mask = masks.get(tap);
    const own = slot?.pass.arrays[tap];
    const layer = slot?.layer(level, step);
    if (!slot || !mask || !own || !layer) return;
    const { width, height } = layer;
    const share = { width, height, data: shares(mask, width, height) };
    const map = { width, height, data: painted(own, share.data, settings.strength) };
    preview(tap)?.repaint(step, level, mask.data.some(Boolean) ? map.data : null);
    app.redraw();
    /** @type {Painting} */
    const painting = { tap, level, step, strength: settings.strength, mask, share, map, done };
    app.tell("paint", painting);
  }

  /**
   * Put another mask, or none, on a weight map: for undo, redo and reset.
   * @param {number} step
   * @param {string} level
   * @param {Mask | null} mask
   */
  function set(step, level, mask) {
    const slot = app.slots[0];
    const tap = weightTap(step, level);
    const own = slot?.pass.arrays[tap];
    const layer = slot?.layer(level, step);
    if (!slot || !own || !layer) return;
    if (mask) masks.set(tap, { ...mask, data: mask.data.slice() });
    else masks.delete(tap);
    const share = mask && shares(mask, layer.width, layer.height);
    preview(tap)?.repaint(step, level, share ? painted(own, share, settings.strength) : null);
    app.redraw();
  }

  /**
   * @param {HTMLCanvasElement} canvas lies over the picture
   * @param {number} index of the slot
   */
  function drawMask(canvas, index) {
    const mask = index === 0 ? masks.get(weightTap(app.state.step, app.state.map)) : undefined;
    canvas.hidden = !mask || !settings.on;
    if (!mask || canvas.hidden) return;
    Object.assign(canvas, { width: mask.width, height: mask.height });
    const image = new ImageData(mask.width, mask.height);
    mask.data.forEach((value, i) => {
      if (value) image.data.set(INK, 4 * i);
    });
    contextOf(canvas).putImageData(image, 0, 0);
  }

  /** @param {{step: number, level: string, mask: Mask}[]} paintings */
  function hold(paintings) {
    if (last) return; // a stroke is being drawn
    masks.clear();
    for (const { step, level, mask } of paintings) {
      masks.set(weightTap(step, level), { ...mask, data: mask.data.slice() });
    }
    app.redraw();
  }

  /** Forget every mask: another pass is on the stage. */
  const clear = () => masks.clear();

  return { settings, active, start, go, end, set, hold, drawMask, clear };
}
