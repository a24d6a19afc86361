// Controls for the arrangement of two pictures, the zoom, and pictures side by side in Explore.

import { button, choice, make } from "../dom.js";
import { framesOf, passIn, shownSide, stepsOf } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").FrameSpec} FrameSpec
 */

const ARRANGEMENTS = [
  { value: "beside", text: "side by side", testid: "arrange-beside" },
  { value: "wipe", text: "wipe", testid: "arrange-wipe" },
  { value: "alternate", text: "alternate", testid: "arrange-alternate" },
  { value: "difference", text: "difference", testid: "arrange-difference" },
];

/** @param {Store} store */
export function makeArrangement(store) {
  const set = (/** @type {Record<string, unknown>} */ changes) => store.dispatch({ type: "set", changes });
  const arrangement = choice("Show", ARRANGEMENTS, (value) => set({ arrangement: value }));
  const looks = button("All looks", () => set({ frames: looksOf(store), zoom: null }), {
    "data-testid": "all-looks",
    title: "This map at every look, side by side",
  });
  const levels = button("All levels", () => set({ frames: levelsOf(store), zoom: null }), {
    "data-testid": "all-levels",
    title: "Fine, medium and coarse attention of this look, side by side",
  });
  const sharpening = button("Before and after sharpening", () => set({ frames: SHARPENING }), {
    "data-testid": "before-after",
  });
  const single = button("One picture", () => set({ frames: null, zoom: null }), { "data-testid": "one-picture" });
  const zoom = button("Zoom to the marker", () => set({ zoom: store.state.scene.zoom ? null : zoomOf(store) }), {
    "data-testid": "zoom",
  });
  const result = button("Result", () => store.dispatch({ type: "select", map: "result" }), {
    "data-testid": "show-result",
  });
  const element = make(
    "div",
    { class: "arrangement" },
    arrangement.element,
    result,
    looks,
    levels,
    sharpening,
    single,
    zoom,
  );

  const draw = () => {
    const { state } = store;
    const { scene } = state;
    const count = framesOf(state).length;
    arrangement.element.hidden = count !== 2;
    arrangement.set(scene.arrangement);
    const touring = scene.view === "tour";
    result.hidden = touring || (scene.map === "result" && !scene.frames);
    looks.hidden =
      touring || !["prediction", "change", ...vocabulary.levels.map(({ name }) => name)].includes(scene.map);
    levels.hidden = touring;
    sharpening.hidden = touring;
    single.hidden = touring || !scene.frames;
    zoom.hidden = !scene.zoom && scene.x < 0; // before a person has pointed there is no marker
    zoom.textContent = scene.zoom ? "Whole photo" : "Zoom to the marker";
    element.hidden =
      scene.view === "why" || scene.view === "measure" || scene.view === "batch" || (touring && count !== 2);
  };
  store.subscribe(draw);
  draw();
  return { element };
}

/** @type {FrameSpec[]} */
const SHARPENING = [
  { slot: 0, map: "prior", step: 99, title: "before sharpening" },
  { slot: 0, map: "refined", step: 99, title: "after sharpening" },
];

/** @param {Store} store @returns {FrameSpec[]} */
function looksOf({ state }) {
  const { scene } = state;
  const slot = shownSide(scene);
  const request = scene.slots[slot] ?? scene.slots[0];
  return Array.from({ length: stepsOf(state, request) + 1 }, (_, step) => ({
    slot,
    map: scene.map,
    step,
    title: `look ${step + 1}`,
  }));
}

/** @param {Store} store @returns {FrameSpec[]} */
function levelsOf({ state }) {
  const { step, slots } = state.scene;
  const slot = shownSide(state.scene);
  const last = stepsOf(state, slots[slot] ?? slots[0]);
  return vocabulary.levels.map(({ name, word }) => ({
    slot,
    map: name,
    step: Math.min(step, last),
    title: `${word}, look ${Math.min(step, last) + 1}`,
  }));
}

/** Return the part of the photo around the marker to zoom to, a sixth as long as the photo. @param {Store} store */
function zoomOf({ state }) {
  const pass = passIn(state, 0)?.pass;
  if (!pass) return null;
  const { photo } = pass.header;
  const [across, down] = state.scene.x < 0 ? [0.5, 0.5] : [state.scene.x / photo.width, state.scene.y / photo.height];
  const side = 1 / 6;
  return {
    x: Math.min(Math.max(across - side / 2, 0), 1 - side),
    y: Math.min(Math.max(down - side / 2, 0), 1 - side),
    width: side,
    height: side,
  };
}
