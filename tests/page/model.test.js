// Thousands of random sequences of actions against a fake engine that answers late, in any order, or never.
// After each action, each slot shows the pass of its own request, undo works, and a link restores the same scene.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EngineError } from "../../dgrl/page/engines/engine.js";
import { shownValues } from "../../dgrl/page/stage/shown.js";
import { readLink, writeLink } from "../../dgrl/page/state/link.js";
import { Loader, sentRequest } from "../../dgrl/page/state/loader.js";
import { passIn, requestKey, sameRequest, shownSlots, stepsOf } from "../../dgrl/page/state/scene.js";
import { createStore } from "../../dgrl/page/state/store.js";
import vocabulary from "../../dgrl/page/vocabulary.js";

const RUNS = Number(process.env.DGRL_MODEL_RUNS ?? 3000);
const LEVELS = vocabulary.levels.map(({ name }) => name);
const PHOTOS = ["cat", "dog", "cup"].map((name, i) => ({
  name,
  example: i < 2,
  thumbnail: "",
  url: "",
  mask: i === 1 ? "mask" : null,
}));
const EXPERIMENTS = ["one", "two"].map((key, i) => ({
  key,
  title: key,
  question: "?",
  choices: ["a", "b", "c"],
  right: i,
  answer: "",
  story: "",
  show: {
    slots: [
      { photo: "dog", steps: i ? 4 : null, edits: [] },
      ...(i ? [] : [{ photo: "dog", edits: [{ kind: "flatten", level: "conv4" }] }]),
    ],
    map: "prediction",
    ...(i ? { frames: [0, 4].map((step) => ({ slot: 0, map: "prediction", step, title: `look ${step + 1}` })) } : {}),
  },
  sizes: null,
  own: i ? "photo" : "brush",
  explanation: null,
}));

/** A number in (0, 1) that differs between requests. */
function hashOf(text) {
  let hash = 7;
  for (const letter of text) hash = (hash * 31 + letter.charCodeAt(0)) % 9973;
  return (hash + 1) / 9975;
}

function fakePass(request, steps, until) {
  const key = requestKey(request);
  const value = hashOf(key);
  const map = () => new Float32Array(16).fill(value);
  const arrays = {};
  for (let t = 0; t <= steps; t++) {
    arrays[`rln.t${t}.saliency`] = map();
    for (const level of LEVELS) arrays[`rln.t${t}.${level}.weight_map`] = map();
  }
  if (until !== "rln") Object.assign(arrays, { "brn.round0": map(), "brn.round1": map() });
  if (until === "kernels") Object.assign(arrays, { "brn.coefficients": new Float32Array(9 * 16).fill(value) });
  const grid = { width: 4, height: 4 };
  const limits = { conv3: 1, conv4: 1, conv5: 1, change: 1 };
  const header = {
    photo: { width: 8, height: 6 },
    rln: grid,
    brn: grid,
    steps: steps + 1,
    levels: LEVELS,
    kernel_size: 3,
  };
  return { tag: key, header: { ...header, propagations: 1, prior: "soft", limits, decimals: {} }, photo: {}, arrays };
}

/** An engine that answers when the test says so. */
class FakeEngine {
  constructor() {
    this.kind = "server";
    this.pending = [];
  }

  pass(request, { onPart, signal }) {
    return new Promise((resolve, reject) => {
      const passRequest = { request, onPart, resolve, reject, parts: ["rln", "brn", "kernels"] };
      this.pending.push(passRequest);
      signal.addEventListener("abort", () => {
        this.pending = this.pending.filter((pendingRequest) => pendingRequest !== passRequest);
        reject(new DOMException("Stopped", "AbortError"));
      });
    });
  }

  /** Send the next part of a pass for one of the requests. */
  answer(which, state) {
    const passRequest = this.pending[which % (this.pending.length || 1)];
    if (!passRequest) return;
    const part = passRequest.parts.shift();
    const pass = fakePass(passRequest.request, stepsOf(state, passRequest.request), part);
    passRequest.onPart(pass, part);
    if (passRequest.parts.length) return;
    this.pending = this.pending.filter((pendingRequest) => pendingRequest !== passRequest);
    passRequest.resolve(pass);
  }

  fail(which, kind) {
    const passRequest = this.pending[which % (this.pending.length || 1)];
    if (!passRequest) return;
    this.pending = this.pending.filter((pendingRequest) => pendingRequest !== passRequest);
    passRequest.reject(new EngineError(kind, "It cannot be computed."));
  }
}

function started() {
  const store = createStore();
  const capabilities = {
    passes: true,
    upload: true,
    methods: ["occlusion"],
    measure: true,
    report: true,
    survey: false,
    matting: false,
  };
  const checkpoints = [
    { name: "small", steps: 2 },
    { name: "large", steps: 0 },
  ];
  const offer = { photos: PHOTOS, checkpoints, experiments: EXPERIMENTS, capabilities, version: "test" };
  store.dispatch({ type: "started", offer });
  const { scene } = store.state;
  const first = { ...scene.slots[0], photo: "cat", checkpoint: "small" };
  store.dispatch({ type: "restore", scene: { ...scene, slots: [first, null] } });
  const engine = new FakeEngine();
  return { store, engine, loader: new Loader(store, engine) };
}

const level = fc.constantFrom(...LEVELS);
const at = fc.constantFrom(null, 0, 1, 4);
const mask = fc.constantFrom("4x3:2.3.7", "2x2:0.4", null);
const photo = fc.constantFrom("cat", "dog", "cup");
const slot = fc.constantFrom(0, 1);
const gesture = fc.constantFrom(undefined, undefined, "drag");
/** Actions of a user. */
const human = fc.oneof(
  fc.record({
    type: fc.constant("view"),
    view: fc.constantFrom("tour", "explore", "change", "compare", "why", "measure", "batch"),
  }),
  fc.record({ type: fc.constant("photo"), photo, slot }),
  fc.record({ type: fc.constant("checkpoint"), checkpoint: fc.constantFrom("small", "large"), slot }),
  fc.record({
    type: fc.constant("steps"),
    steps: fc.integer({ min: 0, max: 4 }),
    slot: fc.constantFrom(undefined, undefined, 1),
  }),
  fc.record({ type: fc.constant("flatten"), level: fc.oneof(level, fc.constant("all")), at }),
  fc.record({
    type: fc.constant("feedback"),
    block: fc.constantFrom(...vocabulary.blocks, "all"),
    factor: fc.constantFrom(0, 0.5, 1),
    gesture,
  }),
  fc.record({ type: fc.constant("kernels"), to: fc.constantFrom("own", "mean", "unrefined") }),
  fc.record({ type: fc.constant("paint"), level, mask, at, gesture }),
  fc.record({
    type: fc.constant("prompt"),
    prompt: fc.constantFrom(null, { box: [0.1, 0.1, 0.5, 0.5] }, { mask: "2x2:1.2.1" }),
  }),
  fc.record({
    type: fc.constant("patch"),
    tap: fc.constantFrom("rln.t0.conv4.weight_map", "rln.t2.logits", "brn.prior"),
    other: fc.constantFrom(null, { photo: "dog" }, { checkpoint: "large" }),
  }),
  fc.record({ type: fc.constant("moment"), at }),
  fc.constantFrom(
    { type: "undo" },
    { type: "redo" },
    { type: "reset" },
    { type: "swap" },
    { type: "remove-edits" },
    { type: "unpin" },
  ),
  fc.record({ type: fc.constant("second"), request: fc.constant(null) }),
  fc.record({
    type: fc.constant("select"),
    map: fc.constantFrom("result", "prediction", "refined", "prior", ...LEVELS),
    step: fc.integer({ min: 0, max: 5 }),
  }),
  fc.record({ type: fc.constant("pin"), x: fc.integer({ min: 0, max: 7 }), y: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ type: fc.constant("point"), x: fc.integer({ min: 0, max: 7 }), y: fc.integer({ min: 0, max: 5 }) }),
  fc.record({
    type: fc.constant("set"),
    changes: fc.record({ arrangement: fc.constantFrom("beside", "wipe", "difference", "alternate"), side: slot }),
  }),
  fc.record({ type: fc.constant("tour"), index: fc.integer({ min: -1, max: 2 }) }),
  fc.record({ type: fc.constant("tour-show"), photo: fc.constantFrom(undefined, undefined, "cup") }),
);
/** Events of the engine, and the passing of time. */
const event = fc.oneof(
  { weight: 4, arbitrary: human },
  { weight: 3, arbitrary: fc.record({ engine: fc.constant("answer"), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ engine: fc.constantFrom("refused", "offline"), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.constantFrom(50, 200, 2500) }) },
);

const settle = async () => {
  for (let i = 0; i < 6; i++) await Promise.resolve();
};
const keysOf = ({ slots }) => slots.map((request) => request && requestKey(request));

function checkSlots(state) {
  const shown = shownSlots(state.scene);
  for (const index of [0, 1]) {
    const pass = shown[index] && passIn(state, index)?.pass;
    if (pass)
      assert.equal(pass.tag, requestKey(sentRequest(state, shown[index])), "a slot shows another request's pass");
  }
  for (const frame of shownValues(state)) {
    const request = shown[frame.slot];
    assert.equal(frame.key, requestKey(request));
    if (!frame.ready || frame.value === null || ["change", "refinement"].includes(frame.map)) continue;
    const expected = hashOf(requestKey(sentRequest(state, request)));
    assert.ok(Math.abs(frame.value - expected) < 1e-6, `${frame.map} shows ${frame.value}, not ${expected}`);
    assert.ok(frame.step <= stepsOf(state, request) || !["prediction", ...LEVELS].includes(frame.map));
  }
}

function checkLink(state) {
  const readState = readLink(writeLink(state), state);
  const { scene } = state;
  assert.deepEqual(keysOf(readState), keysOf(scene), writeLink(state));
  for (const field of ["view", "map", "step", "arrangement", "side", "frames", "zoom"]) {
    if (scene.view === "tour") continue; // a link to a step of the tour opens that step from its start
    assert.deepEqual(readState[field], scene[field], field);
  }
}

const CHANGES = ["flatten", "feedback", "kernels", "paint", "prompt", "moment"];

/** Do one action and check the invariants. */
function perform(store, engine, event) {
  const before = store.state;
  if (event.engine === "answer") engine.answer(event.which, store.state);
  else if (event.engine) engine.fail(event.which, event.engine);
  else store.dispatch(event);
  const { state } = store;
  if (CHANGES.includes(event.type))
    assert.ok(sameRequest(state.scene.slots[0], before.scene.slots[0]), "the original changed");
  const changed = String(keysOf(state.scene)) !== String(keysOf(before.scene));
  if (changed && ![...CHANGES].includes(event.type)) return;
  if (changed && event.gesture === undefined) {
    store.dispatch({ type: "undo" });
    assert.deepEqual(keysOf(store.state.scene), keysOf(before.scene), "undo did not undo");
    store.dispatch({ type: "redo" });
    assert.deepEqual(keysOf(store.state.scene), keysOf(state.scene), "redo did not redo");
  }
}

test("each slot shows the pass of its own request, whatever happens in whatever order", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const run = async (events) => {
    const { store, engine, loader } = started();
    for (const event of events) {
      if (event.wait) context.mock.timers.tick(event.wait);
      else perform(store, engine, event);
      await settle();
      checkSlots(store.state);
    }
    if (store.state.scene.view !== "tour") checkLink(store.state);
    // Once the engine has answered everything, the page becomes idle.
    let idle = false;
    loader.idle().then(() => {
      idle = true;
    });
    for (let i = 0; i < 60 && !idle; i++) {
      context.mock.timers.tick(2500);
      await settle();
      engine.answer(0, store.state);
      await settle();
    }
    assert.ok(idle, "the page never became idle");
    checkSlots(store.state);
    loader.stop();
  };
  await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 25 }), run), { numRuns: RUNS });
});

test("a drag is one step of undo, and a repeated click is none", () => {
  const { store } = started();
  for (const factor of [0.75, 0.5, 0.25]) store.dispatch({ type: "feedback", block: "conv4", factor, gesture: "one" });
  assert.equal(store.state.past.length, 1);
  store.dispatch({ type: "undo" });
  assert.equal(store.state.scene.slots[1], null);
  for (let i = 0; i < 10; i++) store.dispatch({ type: "kernels", to: "mean" });
  assert.equal(store.state.past.length, 1);
});

test("steps that the pass does not have cannot be edited", () => {
  const { store } = started();
  store.dispatch({ type: "feedback", block: "all", factor: 0 });
  store.dispatch({ type: "steps", steps: 0 });
  const [first, second] = store.state.scene.slots;
  assert.equal(first.steps, 0);
  assert.equal(second.steps, 0);
  assert.deepEqual(sentRequest(store.state, second).edits, []);
});

test("a link of version 2.0 opens the same scene", () => {
  const { store } = started();
  const edits = encodeURIComponent(JSON.stringify([{ kind: "flatten", level: "conv4", at: 1 }]));
  const scene = readLink(`?tab=alter&example=dog&two=1&T=1&edits=${edits}&map=conv4&t=1&x=3&y=2`, store.state);
  assert.equal(scene.view, "change");
  assert.equal(scene.slots[0].photo, "dog");
  assert.deepEqual(scene.slots[1].edits, [{ kind: "flatten", level: "conv4", at: 1 }]);
  assert.deepEqual([scene.map, scene.step, scene.x, scene.y, scene.pinned], ["conv4", 1, 3, 2, true]);
});
