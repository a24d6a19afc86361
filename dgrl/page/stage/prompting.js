// A click chooses an object: the connected part of the unprompted map under it becomes the prompt, as in dgrl.prompts.

import { component } from "../numbers/found.js";
import { writeMask } from "../numbers/masks.js";
import { passIn } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/** @typedef {import("../state/store.js").Store} Store */

/** Side of the mask that a prompt is written as. */
const SIDE = 96;
/** Radius of the disc that is used if the unprompted map has nothing under the click, in shares of the photo's sides.
 */
const RADIUS = vocabulary.prompt.radius;

/**
 * @param {Store} store
 * @param {[number, number]} share of the photo
 */
export function clickPrompt(store, [across, down]) {
  const pass = passIn(store.state, 0)?.pass;
  if (!pass) return;
  const { rln, steps } = pass.header;
  const map = /** @type {Float32Array} */ (pass.arrays[`rln.t${steps - 1}.saliency`]);
  const x = Math.min(Math.floor(across * rln.width), rln.width - 1);
  const y = Math.min(Math.floor(down * rln.height), rln.height - 1);
  const part = component(map, rln.width, rln.height, x, y, vocabulary.found.above);
  const inPart = part[y * rln.width + x] === 1;
  const data = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [u, v] = [((i % SIDE) + 0.5) / SIDE, (Math.floor(i / SIDE) + 0.5) / SIDE];
    if (!inPart) return Math.hypot(u - across, v - down) < RADIUS ? 255 : 0;
    return part[Math.floor(v * rln.height) * rln.width + Math.floor(u * rln.width)] ? 255 : 0;
  });
  store.dispatch({ type: "prompt", prompt: { mask: writeMask({ width: SIDE, height: SIDE, data }) } });
}
