// Arithmetic of the page without a counterpart in Python. tests/page/test_numbers.py compares the rest with Python.

import assert from "node:assert/strict";
import { test } from "node:test";
import { colourIndex, colourOf, css, inkOn, palette, pixelsOf } from "../../dgrl/page/numbers/colours.js";
import { changesOf, meanDifference } from "../../dgrl/page/numbers/compare.js";
import { number, percent, sigmoid, signed } from "../../dgrl/page/numbers/format.js";
import { boxOf, component, foundIn, objectMask, outlineOf } from "../../dgrl/page/numbers/found.js";
import { pixelOfPass } from "../../dgrl/page/numbers/kernel.js";
import { differenceOf, layerOf, MAPS, meanSize, spread, valueAt } from "../../dgrl/page/numbers/layers.js";
import { readMask, writeMask } from "../../dgrl/page/numbers/masks.js";
import { emptyMask, painted, shares, stroke } from "../../dgrl/page/numbers/painting.js";
import { makePass, mostChanged } from "../../dgrl/page/numbers/pass.js";
import { arranged, cellOf, fitted, moved, pixelAt, pixelOf } from "../../dgrl/page/numbers/places.js";

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
  assert.equal(percent(0.537), "54\u00a0%");
  assert.equal(percent(0.0016, 1), "0.2\u00a0%");
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

test("several pictures are arranged so that they are large, and all fit", () => {
  const wide = { width: 300, height: 100 };
  const tall = { width: 100, height: 300 };
  const room = { width: 500, height: 500 };
  assert.equal(arranged([wide, wide], room, 10).direction, "column");
  assert.equal(arranged([tall, tall], room, 10).direction, "row");
  assert.deepEqual(arranged([wide], room, 10).room, room);
  const five = arranged([tall, tall, tall, tall, tall], room, 10);
  assert.equal(five.direction, "row");
  assert.equal(5 * five.room.width + 4 * 10, 500);
  assert.deepEqual(fitted(wide, room), { width: 500, height: 167 });
});

test("the value of a cell, or between the centres of cells that lie on the corners", () => {
  const cells = { values: Float32Array.of(0, 1, 2, 3), width: 2, height: 2, aligned: false };
  assert.deepEqual(
    [valueAt(cells, 0, 0), valueAt(cells, 0.49, 0.49), valueAt(cells, 0.5, 0.5), valueAt(cells, 1, 1)],
    [0, 0, 3, 3],
  );
  assert.deepEqual([...spread({ ...cells, aligned: true }, 2, 1)], [1.25, 1.75]);
  const single = { values: Float32Array.of(7), width: 1, height: 1, aligned: true };
  assert.equal(valueAt(single, 0.3, 0.9), 7);
});

test("maps of a pass have the page's words, and missing maps are null", () => {
  const pass = smallPass();
  const label = (map, step) => layerOf(pass, map, step, 0.2)?.label ?? null;
  assert.equal(label("conv4", 0), "Attention, medium, look 1");
  assert.equal(label("prediction", 9), "Prediction, look 2");
  assert.equal(label("change", 1), "Change from look 1 to look 2");
  assert.equal(label("prior", 0), "Before sharpening (as BRN receives it)");
  assert.equal(label("refined", 0), "After sharpening (BRN)");
  assert.equal(label("refinement", 0), "What sharpening changed");
  assert.equal(label("result", 0), "Result");
  for (const [map, step] of [
    ["photo", 0],
    ["change", 0],
    ["conv3", 0],
    ["conv4", 1],
    ["nonsense", 0],
  ]) {
    assert.equal(layerOf(pass, map, step, 1), null, map);
  }
  assert.equal(layerOf(pass, "result", 0, 1).values, pass.arrays["brn.round1"]);
  const { "brn.round1": _, ...early } = pass.arrays;
  assert.equal(layerOf({ ...pass, arrays: early }, "result", 0, 1), null);
  assert.equal(MAPS[0], "result");
});

test("scales: differences end at the given limit, attention at its own", () => {
  const pass = smallPass();
  const change = layerOf(pass, "change", 1, 0.2);
  assert.deepEqual([change.low, change.high, change.colours], [-0.2, 0.2, "signed"]);
  assert.equal(layerOf(pass, "conv4", 0, 1).high, 2);
  assert.equal(layerOf(pass, "conv4", 0, 1, 7).high, 7);
  const [before, after] = [layerOf(pass, "prediction", 0, 1), layerOf(pass, "prediction", 9, 1)];
  const difference = differenceOf(before, after, 0.5);
  assert.deepEqual([...difference.values], [0.5, 0, -0.5, 0]);
  assert.deepEqual([difference.low, difference.high], [-0.5, 0.5]);
  assert.equal(meanSize(difference), 0.25);
  const attention = layerOf(pass, "conv4", 0, 1);
  assert.equal(differenceOf(attention, attention, 0.5).high, 2);
});

test("the arithmetic of a pixel in a corner treats saliency outside the map as 0", () => {
  const pixel = pixelOfPass(smallPass(), 0, 0, 1);
  assert.deepEqual([...pixel.coefficients], [-4, -3, -2, -1, 0, 1, 2, 3, 4]);
  const s = [0, 0, 0, 0, 0, 1 / 12, 0, 4 / 12, 5 / 12].map(Math.fround);
  assert.deepEqual([...pixel.neighbours], s);
  const foreground = s.reduce((sum, value, d) => sum + value * (d - 4), 0);
  assert.ok(Math.abs(pixel.foreground - foreground) < 1e-12);
  assert.ok(Math.abs(pixel.evidence - 2 * foreground) < 1e-12); // the coefficients sum to 0
});

test("stored sums are shown, unless the exact coefficients are known", () => {
  const pass = smallPass();
  pass.arrays["brn.sums1"] = Float32Array.from({ length: 36 }, (_, i) => i);
  const storedPixel = pixelOfPass(pass, 1, 0, 1);
  assert.deepEqual([storedPixel.foreground, storedPixel.background, storedPixel.evidence], [1, 13, 25]);
  const exactPixel = pixelOfPass(pass, 1, 0, 1, [0, 0, 0, 0, 1, 0, 0, 0, 0]);
  assert.equal(exactPixel.foreground, Math.fround(1 / 12));
});

test("a stroke is round on photos of any shape", () => {
  for (const photo of [
    { width: 400, height: 100 },
    { width: 100, height: 400 },
    { width: 300, height: 300 },
  ]) {
    const mask = emptyMask(photo);
    stroke(mask, [0.5, 0.5], [0.5, 0.5], 0.1, 255);
    const { x0, y0, x1, y1 } = boxOf(mask.data, mask.width, mask.height);
    assert.ok(Math.abs(x1 - x0 - (y1 - y0)) <= 1);
    assert.ok(Math.abs((x0 + x1) / 2 - mask.width / 2) <= 0.5);
    stroke(mask, [0, 0], [1, 1], 2, 0);
    assert.equal(boxOf(mask.data, mask.width, mask.height), null);
  }
  const tiny = emptyMask({ width: 1, height: 2000 });
  stroke(tiny, [0.5, 0], [0.5, 0], 0, 255);
  assert.deepEqual(boxOf(tiny.data, tiny.width, tiny.height), { x0: 0, y0: 0, x1: 1, y1: 1 });
});

test("a painted half is half of the cells, and the mean of the map stays 1", () => {
  const mask = { width: 8, height: 2, data: Uint8Array.from({ length: 16 }, (_, i) => (i % 8 < 4 ? 255 : 0)) };
  assert.deepEqual([...shares(mask, 2, 2)], [1, 0, 1, 0]);
  const map = painted(Float32Array.of(1, 1, 1, 1), shares(mask, 2, 2), 4);
  assert.deepEqual([...map], [1.6, 0.4, 1.6, 0.4].map(Math.fround));
  const whole = shares({ width: 1, height: 1, data: Uint8Array.of(255) }, 6, 6);
  assert.ok(whole.every((share) => share === 1));
});

test("written masks are read back unchanged, and invalid text is refused", () => {
  for (const cells of [[0], [255], [0, 255, 255, 0, 0, 255], [255, 255, 0, 0, 0, 0]]) {
    const mask = { width: cells.length > 1 ? 3 : 1, height: cells.length > 1 ? 2 : 1, data: Uint8Array.from(cells) };
    assert.deepEqual(readMask(writeMask(mask)), mask);
  }
  for (const text of ["", "9x9:1", "2x2:4.§", "300x2:600", "0x0:0", null, 7]) assert.equal(readMask(text), null);
  assert.equal(writeMask({ width: 3, height: 2, data: Uint8Array.from([0, 255, 255, 0, 0, 255]) }), "3x2:1.2.2.1");
});

test("the painting of the found object lies on it, on photos that are not square", () => {
  const values = Float32Array.from({ length: 16 }, (_, i) => (i % 4 === 3 && i > 7 ? 0.9 : 0.1)); // right, lower half
  const { width, height, data } = objectMask(values, { width: 4, height: 4 }, { width: 400, height: 100 });
  assert.deepEqual([width, height], [128, 32]);
  assert.deepEqual(boxOf(data, width, height), { x0: 96, y0: 16, x1: 128, y1: 32 });
  assert.equal(data.filter(Boolean).length, 32 * 16);
  assert.equal(boxOf(objectMask(values, { width: 4, height: 4 }, { width: 4, height: 4 }, 0.95).data, 4, 4), null);
});

test("too few pixels are no object", () => {
  const map = new Float32Array(10000);
  map.fill(0.9, 0, 9);
  const thresholds = { above: 0.5, least: 0.001 };
  assert.equal(foundIn(map, thresholds).share, 0);
  assert.ok(foundIn(map, thresholds).mask.every((value) => value === 0));
  map.fill(0.9, 0, 10);
  assert.equal(foundIn(map, thresholds).share, 0.001);
  assert.equal(foundIn(map.fill(0.5), thresholds).share, 0, "one half is not above one half");
});

test("the connected part under a pixel is found", () => {
  const rows = ["##...", ".....", "#..##", ".#..#"];
  const map = Float32Array.from([...rows.join("")], (sign) => (sign === "#" ? 0.9 : 0.2));
  const part = (x, y) => [...component(map, 5, 4, x, y, 0.5)].flatMap((value, i) => (value ? [i] : []));
  assert.deepEqual(part(0, 0), [0, 1]);
  assert.deepEqual(part(4, 3), [13, 14, 19]);
  assert.deepEqual(part(1, 3), [16], "corners do not connect");
  assert.deepEqual(part(2, 1), []);
});

/** The lines around values above one half, rounded. */
function outline(rows, above = 0.5) {
  const map = Float32Array.from(rows.flat());
  const lines = outlineOf(map, rows[0].length, rows.length, above);
  return lines.map((line) => line.map((point) => point.map((value) => Math.round(value * 1000) / 1000)));
}

test("an outline closes around an object, half-way between the centres of pixels", () => {
  const [line, ...others] = outline([
    [0, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
  assert.equal(others.length, 0);
  assert.deepEqual(line[0], line.at(-1));
  const corners = line.slice(1).map((point) => point.join(" "));
  assert.deepEqual(corners.sort(), ["0.25 0.375", "0.375 0.25", "0.375 0.5", "0.5 0.375"]);
});

test("an outline ends at the photo's sides, and lies where the map has the value", () => {
  const [line, ...others] = outline([
    [1, 1, 0, 0],
    [1, 1, 0, 0],
  ]);
  assert.equal(others.length, 0);
  assert.deepEqual([line[0], line.at(-1)].map(String).sort(), ["0.5,0", "0.5,1"]);
  assert.ok(line.every(([across]) => across === 0.5));
  const [steeper] = outline([[1, 0.8, 0, 0]]);
  assert.ok(steeper.every(([across]) => Math.abs(across - (0.375 + (0.25 * 0.3) / 0.8)) < 1e-3));
});

test("an object with a hole has two outlines, and corners that touch are joined if the middle is inside", () => {
  const ring = Array.from({ length: 7 }, (_, y) =>
    Array.from({ length: 7 }, (_, x) => (x > 0 && x < 6 && y > 0 && y < 6 && (x !== 3 || y !== 3) ? 1 : 0)),
  );
  const lines = outline(ring);
  assert.equal(lines.length, 2);
  assert.ok(lines.every((line) => String(line[0]) === String(line.at(-1))));
  /** @param {number} edge */
  const touching = (edge) => [
    [0, 0, 0, 0],
    [0, 1, edge, 0],
    [0, edge, 1, 0],
    [0, 0, 0, 0],
  ];
  assert.equal(outline(touching(0.1)).length, 1, "joined: the middle is (1 + 1 + .1 + .1) / 4");
  assert.equal(outline(touching(0.1), 0.6).length, 2, "apart");
  assert.deepEqual(outline([[1, 1]]), []);
  assert.deepEqual(outline([[0]]), []);
});

test("a large outline has every crossing once", () => {
  const side = 60;
  const map = Float32Array.from({ length: side * side }, (_, i) => (((i * 2654435761) % 1000) + 0.5) / 1000);
  const points = outlineOf(map, side, side, 0.5).flatMap((line) =>
    String(line[0]) === String(line.at(-1)) ? line.slice(1) : line,
  );
  assert.equal(new Set(points.map(String)).size, points.length);
  assert.ok(points.every(([across, down]) => across >= 0 && across <= 1 && down >= 0 && down <= 1));
});

test("colours of values, and ink that is legible on them", () => {
  const colours = palette("00ff10".padEnd(6 * 256, "0"));
  assert.deepEqual(colourOf(colours, 0, 0, 1), [0, 255, 16]);
  assert.equal(css([0, 255, 16]), "rgb(0 255 16)");
  assert.deepEqual(
    [-1, 0, 0.5, 1, 2].map((value) => colourIndex(value, 0, 1)),
    [0, 0, 128, 255, 255],
  );
  assert.equal(inkOn([255, 255, 255]), "#000");
  assert.equal(inkOn([0, 0, 0]), "#fff");
});

test("an attention map is drawn finer than its cells, in the photo's proportions", () => {
  const layer = { values: Float32Array.of(0, 1, 0, 1), width: 2, height: 2, aligned: true, low: 0, high: 1 };
  const grey = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const { data, width, height } = pixelsOf(layer, grey, { width: 400, height: 100 });
  assert.deepEqual([width, height, data.length], [320, 80, 320 * 80 * 4]);
  assert.ok(data[0] < 2 && data[4 * 319] > 253 && Math.abs(data[4 * 160] - 128) <= 1);
});

test("the mean difference of two maps", () => {
  assert.equal(meanDifference(Float32Array.of(0, 1, 0.5, 0), Float32Array.of(1, 1, 0, 0)), 0.375);
});

test("a photo that is all object has no outside", () => {
  const pass = smallPass();
  pass.arrays["brn.round1"] = new Float32Array(12).fill(0.9);
  const { refined } = changesOf(pass, pass, { above: 0.5, least: 0.001 });
  assert.equal(refined.untouched.outside, null);
  assert.ok(Math.abs(refined.untouched.inside - 0.9) < 1e-6);
});

test("a pass that the browser computed, before and after BRN", () => {
  const { arrays } = smallPass();
  const config = { kernel_size: 3, propagations: 1, prior: "soft", rln_size: 2, brn_size: 480 };
  const photo = { title: "cat", width: 80, height: 30, picture: null };
  const rln = Object.fromEntries(Object.entries(arrays).filter(([name]) => name.startsWith("rln")));
  const early = makePass(config, photo, rln, 1, ["conv3", "conv4"]);
  assert.deepEqual(early.header.levels, ["conv4"]);
  assert.deepEqual([early.header.steps, early.header.kernel_size], [2, 0]);
  assert.deepEqual(early.header.limits, { conv4: 2, change: 0.5 });
  const whole = makePass(config, photo, arrays, 1, ["conv4"]);
  assert.equal(whole.header.kernel_size, 3);
  assert.equal(whole.header.limits.coefficients, 4);
});

test("the most changed pixel lies inside, unless all pixels lie along the sides", () => {
  const pass = smallPass();
  pass.arrays["brn.round1"] = Float32Array.from(pass.arrays["brn.round0"]);
  pass.arrays["brn.round1"][0] = 1;
  pass.arrays["brn.round1"][6] += 0.1;
  assert.deepEqual(mostChanged(pass), { x: pixelOf(2, 4, 80), y: pixelOf(1, 3, 30) });
  pass.header.kernel_size = 5;
  assert.deepEqual(mostChanged(pass), { x: pixelOf(0, 4, 80), y: pixelOf(0, 3, 30) });
});
