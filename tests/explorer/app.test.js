// The app's pure functions: masks in words, links, edits. Run by `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, masksOf, objectMask, without } from "../../dgrl/app/script/altering.js";
import { lacksPhoto, readLink, withinSteps, writeLink } from "../../dgrl/app/script/links.js";
import { makeUndoing } from "../../dgrl/app/script/undoing.js";
import { readMask, writeMask } from "../../dgrl/explorer/script/masks.js";
import { undoHalves } from "../../dgrl/explorer/script/unpack.js";

const photo = (name, example = true) => ({ name, path: `/tmp/${name}`, example, mask: null, thumbnail: "" });
const photos = [photo("cat"), photo("dog"), photo("mine", false)];
const offered = { photos, checkpoints: ["lite", "other"], mostSteps: 4 };
const view = {
  x: 0,
  y: 0,
  pinned: false,
  step: 99,
  map: "prediction",
  opacity: 0.8,
  arrangement: "beside",
  scale: 0.5,
};
const start = {
  tab: "explore",
  first: { photo: photos[0], checkpoint: "lite", steps: null, edits: [] },
  second: null,
  view: { ...view, slot: 0, present: false },
  why: { target: "pixel", method: "grad_cam", refined: false, level: "conv4" },
};

test("masks survive being written, and nonsense is no mask", () => {
  for (const cells of [[0], [255], [0, 255, 255, 0, 0, 255], [255, 255, 0, 0, 0, 0]]) {
    const mask = { width: cells.length > 1 ? 3 : 1, height: cells.length > 1 ? 2 : 1, data: Uint8Array.from(cells) };
    assert.deepEqual(readMask(writeMask(mask)), mask);
  }
  for (const text of ["", "9x9:1", "2x2:4.§", "300x2:600", "0x0:0", null, 7]) assert.equal(readMask(text), null);
  assert.equal(writeMask({ width: 3, height: 2, data: Uint8Array.from([0, 255, 255, 0, 0, 255]) }), "3x2:1.2.2.1");
});

test("halves are float16", () => {
  const bits = [0x0000, 0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8400];
  const planes = [bits.map((word) => word & 255), bits.map((word) => word >> 8)].map((plane) => Uint8Array.from(plane));
  const wanted = [0, 1, -2, 0.333251953125, 2 ** -24, 65504, -(2 ** -14)];
  assert.deepEqual([...undoHalves(planes)], wanted.map(Math.fround));
});

test("a link holds the whole scene", () => {
  const edits = [
    { kind: "paint", level: "conv4", strength: 4, mask: "2x2:1.2.1", at: 0 },
    { kind: "feedback", block: "conv5", factor: 0, at: null },
  ];
  const scene = {
    tab: "why",
    first: { photo: photos[1], checkpoint: "other", steps: 3, edits: [] },
    second: { photo: photos[0], checkpoint: "lite", steps: null, edits },
    view: { ...start.view, x: 12, y: 7, pinned: true, step: 1, map: "conv4", arrangement: "difference", scale: 0.2 },
    why: { target: "cell", method: "occlusion", refined: false, level: "conv5" },
  };
  assert.deepEqual(readLink(writeLink(scene, start), start, offered), scene);
  assert.deepEqual(readLink(writeLink(start, start), start, offered), start);
});

test("a link asks for what is offered alone", () => {
  const nonsense = "?tab=x&example=../../etc&checkpoint=y&T=9&two=1&T2=-1&edits=[1]&edits1={&target=z&x=1&level=conv9";
  const found = readLink(nonsense, start, offered);
  assert.deepEqual([found.tab, found.first, found.why], [start.tab, start.first, start.why]);
  assert.deepEqual(found.second, start.first);
  assert.equal(found.view.pinned, false);
  assert.equal(lacksPhoto("?own=elsewhere", photos), true);
  assert.equal(lacksPhoto("?own=mine", photos), false);
  assert.equal(readLink("?own=mine", start, offered).first.photo.name, "mine");
  assert.equal(readLink("?own=cat", start, offered).first.photo.name, "cat", "the first, as it happens");
});

test("the step that is shown is one of the passes', where a link says none or T is smaller than it was", () => {
  const trained = () => 2;
  const step = (/** @type {string} */ query) => withinSteps(readLink(query, start, offered), trained).step;
  assert.deepEqual(
    ["", "?t=9", "?t=9&T=1", "?t=9&T=1&two=1&T2=4", "?t=1", "?t=-3", "?t=x"].map(step),
    [2, 2, 1, 4, 1, 0, 2],
  );
});

test("edits in words, by kind and by place", () => {
  const edits = [
    { kind: "flatten", level: "conv3", at: null },
    { kind: "paint", level: "conv4", mask: "2x1:1.1", at: 1 },
    { kind: "feedback", block: "conv3", factor: 0 },
    { kind: "unrefined" },
  ];
  assert.equal(describe(edits), "conv3 flat, conv4 painted ×4 at t = 1, feedback into conv3 cut, before BRN");
  assert.deepEqual(without(edits, ["flatten", "feedback"], "conv3"), [edits[1], edits[3]]);
  const [mask] = masksOf(edits);
  assert.deepEqual([mask.level, mask.at, mask.strength, [...mask.mask.data]], ["conv4", 1, 4, [0, 255]]);
});

test("the found object is painted where it is, on photos that are not square", () => {
  const values = Float32Array.from({ length: 16 }, (_, i) => (i % 4 === 3 && i > 7 ? 0.9 : 0.1)); // right, lower half
  const { width, height, data } = objectMask(values, { width: 4, height: 4 }, { width: 400, height: 100 });
  assert.deepEqual([width, height], [128, 32]);
  data.forEach((value, i) => {
    assert.equal(value === 255, i % width >= 96 && Math.floor(i / width) >= 16);
  });
});

test("what is done quickly is undone one by one, and a handle's way in one", () => {
  let now = "nothing";
  const undoing = makeUndoing(
    () => now,
    (next) => {
      now = next;
    },
  );
  undoing.change("flat");
  undoing.change("cut");
  for (const to of ["×1.5", "×1.25", "×0.5"]) undoing.change(to, "conv3");
  undoing.change("×2", "conv4");
  undoing.change("paint");
  const back = [];
  while (undoing.can().undo) {
    undoing.undo();
    back.push(now);
  }
  assert.deepEqual(back, ["×2", "×0.5", "cut", "flat", "nothing"]);
  undoing.redo();
  undoing.change("T = 0");
  assert.equal(undoing.can().redo, false);
  undoing.undo();
  assert.equal(now, "flat");
});
