// The explorer's pure functions. Run by `npm test`, which `make check` calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { colourIndex, inkOn, palette } from "../../dgrl/explorer/script/draw.js";
import { pixelOfPass } from "../../dgrl/explorer/script/kernel.js";
import { differenceOf, layerOf, spread, valueAt } from "../../dgrl/explorer/script/layers.js";
import { number, sigmoid, signed } from "../../dgrl/explorer/script/numbers.js";
import { emptyMask, painted, shares, stroke } from "../../dgrl/explorer/script/painting.js";
import { arranged, cellOf, fitted, moved, pixelAt, pixelOf } from "../../dgrl/explorer/script/places.js";
import { changed, firstState } from "../../dgrl/explorer/script/state.js";
import { restore, undoDecimals } from "../../dgrl/explorer/script/unpack.js";

/** A pass of a wide photo with two steps, one level, 3×3 kernels and a BRN map of 4×3 cells. */
function smallPass() {
  const size = 12;
  const prior = Float32Array.from({ length: size }, (_, i) => i / size);
  return {
    header: {
      photo: { width: 80, height: 30 },
      rln: { width: 2, height: 2 },
      brn: { width: 4, height: 3 },
      steps: 2,
      levels: ["conv4"],
      kernel_size: 3,
      propagations: 1,
      decimals: { coefficients: 3, sums: 4 },
      limits: { conv4: 2 },
      colours: { weights: "", saliency: "", signed: "" },
    },
    photo: null,
    arrays: {
      "rln.t0.conv4.weight_map": Float32Array.of(0, 1, 2, 1),
      "rln.t0.saliency": Float32Array.of(0, 0.25, 0.5, 1),
      "rln.t1.saliency": Float32Array.of(0.5, 0.25, 0, 1),
      "brn.round0": prior,
      "brn.round1": prior.map((value) => 1 - value),
      "brn.coefficients": Float32Array.from({ length: 9 * size }, (_, i) => Math.floor(i / size) - 4),
    },
  };
}

test("numbers have a true minus sign and no negative zero", () => {
  assert.equal(number(-0.1264, 3), "−0.126");
  assert.equal(number(-0.0004, 3), "0.000");
  assert.equal(number(-0.4, 0), "0");
  assert.equal(number(12.5, 2), "12.50");
  assert.equal(signed(0.0001, 2), "0.00");
  assert.equal(signed(0.25, 2), "+0.25");
  assert.equal(signed(-0.25, 2), "−0.25");
  assert.ok(Math.abs(sigmoid(2) - 1 / (1 + Math.exp(-2))) < 1e-15);
});

test("every pixel of the photo has a cell, and every cell a pixel that it covers", () => {
  for (const [length, cells] of [
    [800, 480],
    [480, 480],
    [3, 480],
    [1, 480],
    [481, 480],
  ]) {
    assert.equal(cellOf(0, length, cells), Math.floor((0.5 * cells) / length));
    assert.ok(cellOf(length - 1, length, cells) < cells);
    for (let cell = 0; cell < cells; cell++) {
      const pixel = pixelOf(cell, cells, length);
      assert.ok(pixel >= 0 && pixel < length);
      if (length >= cells) assert.equal(cellOf(pixel, length, cells), cell);
    }
  }
  assert.deepEqual([pixelAt(-0.1, 9), pixelAt(0, 9), pixelAt(0.999, 9), pixelAt(1, 9)], [0, 0, 8, 8]);
});

test("a step moves by one cell, or by one pixel of a small photo, and stops at the sides", () => {
  assert.equal(cellOf(moved(100, 1, 800, 480), 800, 480), cellOf(100, 800, 480) + 1);
  assert.equal(moved(1, 1, 3, 480), 2);
  assert.equal(moved(2, 1, 3, 480), 2);
  assert.equal(moved(0, -10, 800, 480), 0);
});

test("two pictures are laid out so that they are large", () => {
  const wide = { width: 300, height: 100 };
  const tall = { width: 100, height: 300 };
  const room = { width: 500, height: 500 };
  assert.equal(arranged([wide, wide], room, 10).direction, "column");
  assert.equal(arranged([tall, tall], room, 10).direction, "row");
  assert.deepEqual(arranged([wide], room, 10).room, room);
  assert.deepEqual(fitted(wide, room), { width: 500, height: 167 });
});

test("the value of a cell, or between the centres of cells that lie on the corners", () => {
  const cells = { values: Float32Array.of(0, 1, 2, 3), width: 2, height: 2, aligned: false };
  assert.deepEqual(
    [valueAt(cells, 0, 0), valueAt(cells, 0.49, 0.49), valueAt(cells, 0.5, 0.5), valueAt(cells, 1, 1)],
    [0, 0, 3, 3],
  );
  const aligned = { ...cells, aligned: true };
  assert.deepEqual(
    [valueAt(aligned, 0, 0), valueAt(aligned, 0.5, 0), valueAt(aligned, 0.5, 0.5), valueAt(aligned, 1, 1)],
    [0, 0.5, 1.5, 3],
  );
  assert.deepEqual([...spread(aligned, 2, 1)], [1.25, 1.75]);
  const single = { values: Float32Array.of(7), width: 1, height: 1, aligned: true };
  assert.equal(valueAt(single, 0.3, 0.9), 7);
});

test("maps of a pass, and the difference of two", () => {
  const pass = smallPass();
  assert.equal(layerOf(pass, "change", 0, 1), null);
  assert.equal(layerOf(pass, "conv3", 0, 1), null);
  assert.equal(layerOf(pass, "photo", 0, 1), null);
  assert.deepEqual([...layerOf(pass, "change", 1, 0.2).values], [0.5, 0, -0.5, 0]);
  assert.equal(layerOf(pass, "change", 1, 0.2).high, 0.2);
  const [before, after] = [layerOf(pass, "prediction", 0, 1), layerOf(pass, "prediction", 9, 1)];
  assert.deepEqual([...differenceOf(before, after, 1).values], [0.5, 0, -0.5, 0]);
  assert.equal(layerOf(pass, "conv4", 0, 1).high, 2);
});

test("the arithmetic of a pixel in a corner: outside the map saliency is 0", () => {
  const pixel = pixelOfPass(smallPass(), 0, 0, 1);
  assert.deepEqual([...pixel.coefficients], [-4, -3, -2, -1, 0, 1, 2, 3, 4]);
  const s = [0, 0, 0, 0, 0, 1 / 12, 0, 4 / 12, 5 / 12].map(Math.fround);
  assert.deepEqual([...pixel.neighbours], s);
  const foreground = s.reduce((sum, value, d) => sum + value * (d - 4), 0);
  assert.ok(Math.abs(pixel.foreground - foreground) < 1e-12);
  assert.ok(Math.abs(pixel.background + foreground) < 1e-12); // the coefficients sum to 0
  assert.ok(Math.abs(pixel.evidence - 2 * foreground) < 1e-12);
});

test("a stroke is round on photos of any shape", () => {
  for (const photo of [
    { width: 400, height: 100 },
    { width: 100, height: 400 },
    { width: 300, height: 300 },
  ]) {
    const mask = emptyMask(photo);
    stroke(mask, [0.5, 0.5], [0.5, 0.5], 0.1, 255);
    const columns = new Set();
    const rows = new Set();
    mask.data.forEach((value, i) => {
      if (value) {
        columns.add(i % mask.width);
        rows.add(Math.floor(i / mask.width));
      }
    });
    assert.ok(Math.abs(columns.size - rows.size) <= 1);
    const middle = [...columns].reduce((sum, column) => sum + column, 0) / columns.size;
    assert.ok(Math.abs(middle + 0.5 - mask.width / 2) <= 0.5);
  }
  const tiny = emptyMask({ width: 1, height: 2000 });
  stroke(tiny, [0.5, 0], [0.5, 0], 0, 255);
  assert.equal(tiny.data[0], 255);
  assert.equal(tiny.data.filter(Boolean).length, 1);
});

test("a painted half is half of the cells, and the mean of the map stays 1", () => {
  const mask = { width: 8, height: 2, data: Uint8Array.from({ length: 16 }, (_, i) => (i % 8 < 4 ? 255 : 0)) };
  assert.deepEqual([...shares(mask, 2, 2)], [1, 0, 1, 0]);
  const map = painted(Float32Array.of(1, 1, 1, 1), shares(mask, 2, 2), 4);
  assert.deepEqual([...map], [1.6, 0.4, 1.6, 0.4].map(Math.fround));
  assert.ok(
    [...shares({ ...mask, width: 1, height: 1, data: Uint8Array.of(255) }, 6, 6)].every((share) => share === 1),
  );
});

test("links may say anything; what is shown is always possible", () => {
  const pass = smallPass();
  const state = firstState(pass);
  const odd = {
    x: 1e9,
    y: -4,
    step: 7.9,
    map: "<b>",
    opacity: 3,
    slot: 1,
    theme: "pink",
    round: 0,
    window: 3,
    more: 1,
  };
  const shown = changed(state, odd, [pass, null]);
  assert.deepEqual([shown.x, shown.y, shown.step, shown.map, shown.opacity], [79, 0, 1, "prediction", 1]);
  assert.deepEqual([shown.slot, shown.theme, shown.round, shown.window], [0, "auto", 1, "coefficients"]);
  assert.ok(!("more" in shown));
  assert.deepEqual(changed(state, { x: Number.NaN }, [pass, null]), state);
});

test("decimals are undone in whole numbers", () => {
  const entry = { shape: [2, 1, 2], unit: 0.5, shift: 1, weights: [[], [3]] };
  // Steps 4, −1 (folded 8, 1); plane 1: ⌊3 · 4 / 2⌋ + 1 = 7, ⌊3 · −1 / 2⌋ + 0 = −2.
  const planes = [Uint8Array.of(8, 1, 2, 0), ...[1, 2, 3].map(() => new Uint8Array(4))];
  assert.deepEqual([...undoDecimals(entry, planes)], [2, 1.5, 3.5, 2.5]);
  const values = new Float32Array(6);
  restore(values, Uint32Array.of(1, 3), Float32Array.of(7, 8));
  assert.deepEqual([...values], [0, 7, 0, 0, 8, 0]);
});

test("colours", () => {
  assert.deepEqual([...palette("00ff10")], [0, 255, 16]);
  assert.deepEqual(
    [-1, 0, 0.5, 1, 2].map((value) => colourIndex(value, 0, 1)),
    [0, 0, 128, 255, 255],
  );
  assert.equal(inkOn([255, 255, 255]), "#000");
  assert.equal(inkOn([0, 0, 0]), "#fff");
});
