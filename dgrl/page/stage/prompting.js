// A click chooses an object: the connected part of the unprompted map under it becomes the prompt. Where there is none, the
// prompt is a disc, and then its result, grown a little, a few times. dgrl.prompts does the same in Python.

import { component, grown } from "../numbers/found.js";
import { writeMask } from "../numbers/masks.js";
import { passIn } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 */

/** Side of the mask that a prompt is written as. */
const SIDE = 96;
const { radius, growth, rounds } = vocabulary.prompt;
let clicks = 0;

/**
 * @param {Store} store
 * @param {[number, number]} share of the photo
 */
export function clickPrompt(store, [across, down]) {
  const prediction = lastMap(store.state, 0);
  if (!prediction) return;
  const { map, width, height } = prediction;
  const x = Math.min(Math.floor(across * width), width - 1);
  const y = Math.min(Math.floor(down * height), height - 1);
  const part = component(map, width, height, x, y, vocabulary.found.above);
  const isPart = part[y * width + x] === 1;
  const mask = written((u, v) =>
    isPart
      ? part[Math.floor(v * height) * width + Math.floor(u * width)] === 1
      : Math.hypot(u - across, v - down) < radius,
  );
  clicks += 1;
  const gesture = `click ${clicks}`;
  store.dispatch({ type: "prompt", prompt: { mask }, gesture });
  if (!isPart) refine(store, mask, gesture);
}

/**
 * Replace a disc by the object that it finds, and repeat this with that object, `rounds` times, unless something else
 * is changed meanwhile. One undo reverts all rounds.
 * @param {Store} store
 * @param {string} disc
 * @param {string} gesture of the click
 */
function refine(store, disc, gesture) {
  let mask = disc;
  let left = rounds;
  const stop = store.subscribe((state) => {
    const promptEdit = state.scene.slots[1]?.edits.find(({ kind }) => kind === "prompt");
    if (promptEdit?.mask !== mask) return stop();
    const prediction = lastMap(state, 1);
    if (!prediction) return undefined;
    left -= 1;
    const grownObject = grown(
      prediction.map,
      prediction.width,
      prediction.height,
      vocabulary.found.above,
      growth,
      SIDE,
    );
    const next = grownObject.some(Boolean) ? writeMask({ width: SIDE, height: SIDE, data: grownObject }) : mask;
    if (!left || next === mask) stop();
    mask = next;
    return store.dispatch({ type: "prompt", prompt: { mask }, gesture });
  });
}

/**
 * RLN's last prediction of a slot's pass, once it has arrived.
 * @param {State} state
 * @param {0 | 1} slot
 */
function lastMap(state, slot) {
  const pass = passIn(state, slot)?.pass;
  if (!pass) return null;
  const { rln, steps } = pass.header;
  const map = /** @type {Float32Array} */ (pass.arrays[`rln.t${steps - 1}.saliency`]);
  return { map, width: rln.width, height: rln.height };
}

/**
 * A mask as text.
 * @param {(across: number, down: number) => boolean} inside whether a place, in shares of the photo, is in the mask
 */
function written(inside) {
  const data = Uint8Array.from({ length: SIDE * SIDE }, (_, i) =>
    inside(((i % SIDE) + 0.5) / SIDE, (Math.floor(i / SIDE) + 0.5) / SIDE) ? 255 : 0,
  );
  return writeMask({ width: SIDE, height: SIDE, data });
}
