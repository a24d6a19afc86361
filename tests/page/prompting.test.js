// What a click on the stage makes of the maps that arrive.

import assert from "node:assert/strict";
import { test } from "node:test";
import { grown } from "../../dgrl/page/numbers/found.js";
import { readMask } from "../../dgrl/page/numbers/masks.js";
import { clickPrompt } from "../../dgrl/page/stage/prompting.js";
import { createStore, emptyState } from "../../dgrl/page/state/store.js";
import vocabulary from "../../dgrl/page/vocabulary.js";

const SIDE = 96;

/** A pass whose last prediction is 1 in a square, else 0. */
function passWith(x0, y0, x1, y1) {
  const map = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
    return x >= x0 && x < x1 && y >= y0 && y < y1 ? 1 : 0;
  });
  return { header: { steps: 2, rln: { width: SIDE, height: SIDE } }, arrays: { "rln.t1.saliency": map } };
}

function opened(pass) {
  const { scene, ...rest } = emptyState();
  const first = { ...scene.slots[0], photo: "cat", checkpoint: "small" };
  const store = createStore({ ...rest, scene: { ...scene, view: "change", slots: [first, null] } });
  store.dispatch({ type: "pass-arrived", request: first, pass, part: "rln" });
  return store;
}

const prompted = (store) => store.state.scene.slots[1]?.edits.find(({ kind }) => kind === "prompt")?.mask;
const arrive = (store, pass) =>
  store.dispatch({ type: "pass-arrived", request: store.state.scene.slots[1], pass, part: "rln" });
const count = (text) => readMask(text)?.data.filter(Boolean).length ?? 0;

test("a click on what is found means the part under it, at once", () => {
  const store = opened(passWith(10, 20, 40, 60));
  clickPrompt(store, [0.2, 0.3]);
  assert.equal(count(prompted(store)), 30 * 40);
  const mask = prompted(store);
  arrive(store, passWith(0, 0, 5, 5));
  assert.equal(prompted(store), mask);
});

test("a click on nothing starts from a disc, whose result is the next prompt, as often as in Python", () => {
  const store = opened(passWith(0, 0, 0, 0));
  clickPrompt(store, [0.5, 0.5]);
  const disc = count(prompted(store));
  assert.ok(Math.abs(disc - Math.PI * (vocabulary.prompt.radius * SIDE) ** 2) < 60);
  for (let round = 1; round <= vocabulary.prompt.rounds; round++) {
    const result = passWith(40 - round, 40, 60, 60);
    arrive(store, result);
    const { above } = vocabulary.found;
    const near = grown(result.arrays["rln.t1.saliency"], SIDE, SIDE, above, vocabulary.prompt.growth, SIDE);
    assert.deepEqual([...(readMask(prompted(store))?.data ?? [])], [...near]);
  }
  const last = prompted(store);
  arrive(store, passWith(0, 0, 90, 90));
  assert.equal(prompted(store), last, "no further round");
  store.dispatch({ type: "undo" });
  assert.equal(prompted(store), undefined, "one step of undo takes all rounds back");
});

test("a disc that finds nothing stays, and another change ends the rounds", () => {
  const emptyStore = opened(passWith(0, 0, 0, 0));
  clickPrompt(emptyStore, [0.5, 0.5]);
  const disc = prompted(emptyStore);
  arrive(emptyStore, passWith(0, 0, 0, 0));
  assert.equal(prompted(emptyStore), disc);
  const other = opened(passWith(0, 0, 0, 0));
  clickPrompt(other, [0.5, 0.5]);
  other.dispatch({ type: "prompt", prompt: { box: [0.1, 0.1, 0.5, 0.5] } });
  arrive(other, passWith(40, 40, 60, 60));
  assert.equal(prompted(other), undefined);
});
