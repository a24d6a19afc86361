// Shows the page in a notebook's output; anywidget calls it.

import { KernelEngine } from "./engines/kernel.js";
import { StoredEngine } from "./engines/stored.js";
import { mountPage } from "./page.js";

const QUIET = 200;

/**
 * @param {{model: import("./engines/kernel.js").Model, el: HTMLElement}} place
 * @returns {Promise<() => void>} removes the page
 */
export async function render({ model, el }) {
  const root = document.createElement("div");
  root.classList.add("in-notebook");
  el.append(root);
  const storedPasses = model.get("requests").map((/** @type {any} */ request, /** @type {number} */ i) => {
    const { buffer, byteOffset, byteLength } = model.get(i ? "second" : "first");
    return { ...request, bundle: buffer.slice(byteOffset, byteOffset + byteLength) };
  });
  const engine = model.get("live") ? new KernelEngine(model) : new StoredEngine(storedPasses);
  const page = await mountPage(root, engine, {
    begin: (store) => {
      const slots = storedPasses.map((/** @type {any} */ { request }) => request);
      const scene = { ...store.state.scene, slots: [slots[0], slots[1] ?? null], ...model.get("scene") };
      if (slots[1]) scene.view = "compare";
      store.dispatch({ type: "restore", scene });
    },
  });
  let timer = 0;
  const stop = page.store.subscribe((state, before) => {
    if (state.scene === before.scene) return;
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      model.set("scene", sharedFields(state.scene));
      model.save_changes();
    }, QUIET);
  });
  const follow = () => page.store.dispatch({ type: "set", changes: model.get("scene") });
  model.on("change:scene", follow);
  return () => {
    stop();
    model.off("change:scene", follow);
    if (engine instanceof KernelEngine) engine.stop();
    window.clearTimeout(timer);
    page.stop();
  };
}

/**
 * Return the part of the scene that Python reads and sets.
 * @param {import("./state/scene.js").Scene} scene
 */
const sharedFields = ({ view, slots, map, step, x, y, pinned, arrangement, side, frames, kernel }) => ({
  view,
  slots,
  map,
  step,
  x,
  y,
  pinned,
  arrangement,
  side,
  frames,
  kernel,
}); // prettier-ignore
