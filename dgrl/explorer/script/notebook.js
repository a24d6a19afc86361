// The notebook's door: what anywidget calls to show the explorer in an output.

import { mount } from "./explorer.js";
import { readBundle } from "./unpack.js";

const QUIET = 200;

/**
 * @typedef {Object} Model What anywidget hands over of the Python object.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(message: unknown) => void} send
 * @property {(event: string, called: (message: any) => void) => void} on
 * @property {(event: string, called: (message: any) => void) => void} off
 */

/**
 * @param {{model: Model, el: HTMLElement}} place
 * @returns {Promise<() => void>} takes it away again
 */
export async function render({ model, el }) {
  const passes = await Promise.all(["first", "second"].filter((name) => model.get(name).byteLength).map(read));
  /** @type {Map<string, (coefficients: number[]) => void>} */
  const waiting = new Map();
  const explorer = mount(el, passes[0], {
    second: passes[1],
    names: model.get("names"),
    state: model.get("state"),
    exact: (place) =>
      new Promise((answered) => {
        waiting.set(`${place.slot} ${place.x} ${place.y}`, answered);
        model.send(place);
      }),
  });
  let timer = 0;
  explorer.addEventListener("view", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      model.set("state", explorer.state);
      model.save_changes();
    }, QUIET);
  });
  const follow = () => explorer.set(model.get("state"));
  /** @param {{slot: number, x: number, y: number, coefficients: number[]}} message */
  const answer = ({ slot, x, y, coefficients }) => waiting.get(`${slot} ${x} ${y}`)?.(coefficients);
  model.on("change:state", follow);
  model.on("msg:custom", answer);
  return () => {
    model.off("change:state", follow);
    model.off("msg:custom", answer);
    window.clearTimeout(timer);
    explorer.destroy();
  };

  /** @param {string} name */
  function read(name) {
    /** @type {DataView} */
    const { buffer, byteOffset, byteLength } = model.get(name);
    return readBundle(/** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength)));
  }
}
