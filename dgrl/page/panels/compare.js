// Compare: two photos, two checkpoints or two sets of changes, with the same marker.

import { button, make, picker, write } from "../dom.js";
import { describe } from "../state/edits.js";
import { stepsOf } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 */

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{choosePhoto: (slot: 0 | 1) => void}} page
 */
export function mountCompare(element, store, { choosePhoto }) {
  const columns = /** @type {(0 | 1)[]} */ ([0, 1]).map((slot) => makeColumn(store, slot, choosePhoto));
  const swap = button("Swap", () => store.dispatch({ type: "swap" }), { "data-testid": "swap" });
  const remove = button("Remove second", () => store.dispatch({ type: "second", request: null }), {
    "data-testid": "remove-second",
  });
  const edits = button("Remove changes", () => store.dispatch({ type: "remove-edits" }));
  const add = button("Compare with another photo", () => choosePhoto(1), {
    class: "primary",
    "data-testid": "add-second",
  });
  const hint = make(
    "p",
    { class: "quiet" },
    "Choose a second photo, or another checkpoint, to see both under one marker.",
  );
  element.append(
    make("header", {}, make("h2", {}, "Compare"), make("div", { class: "buttons" }, swap, remove, edits)),
    hint,
    add,
    ...columns.map((column) => column.element),
  );

  /** @param {State} state */
  function draw(state) {
    const [first, second] = state.scene.slots;
    swap.disabled = remove.disabled = !second;
    edits.disabled = !first.edits.length && !second?.edits.length;
    add.hidden = hint.hidden = !!second;
    for (const column of columns) column.draw(state);
  }
  const stop = store.subscribe((state) => state.scene.view === "compare" && draw(state));
  draw(store.state);
  return stop;
}

/**
 * @param {Store} store
 * @param {0 | 1} slot
 * @param {(slot: 0 | 1) => void} choosePhoto
 */
function makeColumn(store, slot, choosePhoto) {
  const photo = button("", () => choosePhoto(slot), { class: "wide" });
  const checkpoint = picker("Checkpoint", (value) => store.dispatch({ type: "checkpoint", checkpoint: value, slot }));
  const looks = picker("Looks", (value) => store.dispatch({ type: "steps", steps: Number(value), slot }));
  const edits = make("p", { class: "quiet" });
  const element = make(
    "section",
    { class: "group" },
    make("h3", {}, slot ? "Second" : "First"),
    photo,
    checkpoint.element,
    looks.element,
    edits,
  );
  const counts = Array.from({ length: vocabulary.maxSteps + 1 }, (_, T) => ({ value: String(T), text: String(T + 1) }));
  return {
    element,
    /** @param {State} state */
    draw(state) {
      const request = state.scene.slots[slot];
      element.hidden = !request;
      if (!request) return;
      write(photo, `Photo: ${request.photo} …`);
      checkpoint.element.hidden = state.checkpoints.length < 2;
      checkpoint.set(
        state.checkpoints.map(({ name }) => ({ value: name, text: name })),
        request.checkpoint,
      );
      looks.set(counts, String(stepsOf(state, request)));
      write(edits, describe(request.edits));
    },
  };
}
