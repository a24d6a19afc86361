// The page's answers to Why: Occlusion by the worker, drawn and put in words as the app does it (dgrl/app/why.py).

import { blank, colourIndex, contextOf, photoOf as drawn, palette } from "../../dgrl/explorer/script/draw.js";
import { cellOf, fitted, nearestCell } from "../../dgrl/explorer/script/places.js";
import { finalMap, foundIn, LONGEST, makePass } from "./passes.js";
import { toSize } from "./sizing.js";

/** @typedef {import("../../dgrl/app/script/explaining.js").Asked} Asked */
/** @typedef {import("../../dgrl/app/script/explaining.js").Explainer} Explainer */
/** @typedef {import("../../dgrl/app/script/links.js").Wish} Wish */
/** @typedef {import("./engine.js").Found} Found */
/** @typedef {import("./engine.js").Target} Target */
/** @typedef {import("./passes.js").Manifest} Manifest */
/** @typedef {import("./photos.js").Photo} Photo */

/**
 * @param {Awaited<ReturnType<typeof import("./engine.js").startEngine>>} engine
 * @param {Manifest} manifest
 * @param {import("./edits.js").Grids} grids
 * @param {{photoOf: (wish: Wish) => Promise<Photo>, stepsOf: (wish: Wish) => number}} host
 * @returns {Explainer}
 */
export function pageExplainer(engine, manifest, grids, { photoOf, stepsOf }) {
  const side = manifest.config.rln_size;
  const square = { width: side, height: side };
  return {
    methods: ["occlusion"],
    refined: false,
    lacks: "Grad-CAM and Integrated Gradients need gradients, which the app and the library have.",
    async ask(asked, stopping) {
      const began = performance.now();
      const { signal } = stopping;
      const steps = stepsOf(asked.wish);
      const photo = await photoOf(asked.wish);
      const target = targetOf(asked, photo.image, side, grids, steps);
      signal.throwIfAborted();
      engine.photo(photo.key, photo.image);
      const whole = await engine.run({ slot: "why", photo: photo.key, steps });
      signal.throwIfAborted();
      if (!whole) throw new Error("Something newer is being explained.");
      const found = await engine.explain(photo.key, target, stopping);
      const map = finalMap(makePass(manifest, photo, whole.arrays, steps));
      const object = foundIn(toSize(map, photo.image, square), manifest.found);
      const place = asked.why.target === "pixel" ? asked : null;
      const said = words(found, target, place, shareInside(found.cells, side, object.there), object.share);
      const limit = Math.max(...found.cells.flat().map(Math.abs)) || 1;
      const label = `${target.kind === "cell" ? "weight" : "log-odds"} lost when a window there hides the photo`;
      const numbers = {
        value: found.value,
        baseline_value: found.baseline,
        cells: found.cells,
        scale: { low: -limit, high: limit, label },
        words: `${said} This took ${((performance.now() - began) / 1000).toFixed(1)} s.`,
      };
      return { picture: printed(found.cells, limit, side, palette(manifest.colours.signed), photo), numbers };
    },
  };
}

/**
 * The number that is meant; a cell is the one that covers the photo's pixel.
 * @param {Asked} asked
 * @param {{width: number, height: number}} photo
 * @param {number} side of RLN's map
 * @param {import("./edits.js").Grids} grids
 * @param {number} last T
 * @returns {Target}
 */
function targetOf({ why, x, y, step }, photo, side, grids, last) {
  if (step > last) throw new Error(`There is no time step ${step}: this pass has t = 0 to ${last}.`);
  const target = { kind: why.target, step, level: why.level };
  if (why.target !== "cell") {
    return { ...target, row: cellOf(y, photo.height, side), column: cellOf(x, photo.width, side) };
  }
  const grid = grids[why.level];
  if (!grid) throw new Error("This network has no such weight map.");
  const [row, column] = [nearestCell(y, photo.height, grid.height), nearestCell(x, photo.width, grid.width)];
  return { ...target, row, column };
}

/**
 * What the attribution says (`words` in dgrl/app/why.py).
 * @param {Found} found
 * @param {Target} target
 * @param {{x: number, y: number} | null} place the photo's pixel that is explained
 * @param {number} share of what speaks for it that lies inside the object
 * @param {number} covered share of the photo that is the object; 0 if there is none
 */
export function words({ value, baseline }, { kind, step, level, row, column }, place, share, covered) {
  const probability = 1 / (1 + Math.exp(-value));
  const number = value.toFixed(2);
  const about = {
    cell: `The weight of row ${row}, column ${column} of ${level}'s map at t = ${step} is ${number} (the map's mean is 1).`,
    object: `RLN's evidence at t = ${step} is ${number} in the mean over the object.`,
    pixel:
      `RLN's evidence at t = ${step} for the object at column ${place?.x}, row ${place?.y} of the photo is ${number}, ` +
      `a probability of ${probability.toFixed(3)}.`,
  };
  const said = [about[/** @type {"cell"} */ (kind)], `Without the photo it would be ${baseline.toFixed(2)}.`];
  const [inside, covers] = [share, covered].map((part) => `${(100 * part).toFixed(0)}%`);
  const object = `${inside} of what speaks for it lies inside the object found, which covers ${covers} of the photo.`;
  return [...said, ...(covered ? [object] : [])].join(" ");
}

/**
 * Which share of all that speaks for the number lies on the object.
 * @param {number[][]} cells
 * @param {number} side
 * @param {Float32Array} object (side, side), of 0 and 1
 */
function shareInside(cells, side, object) {
  const speaking = spread(cells, side).map((value) => Math.max(value, 0));
  const all = speaking.reduce((sum, value) => sum + value, 0);
  return all > 0 ? speaking.reduce((sum, value, i) => sum + value * object[i], 0) / all : 0;
}

/**
 * The cells over RLN's square.
 * @param {number[][]} cells
 * @param {number} side
 */
function spread(cells, side) {
  const cell = (/** @type {number} */ place) => Math.floor((place * cells.length) / side);
  return Float32Array.from({ length: side * side }, (_, i) => cells[cell(Math.floor(i / side))][cell(i % side)]);
}

/**
 * The colours printed on the pale photo, as an address (dgrl.figures.attribution: AttributionLayer).
 * @param {number[][]} cells
 * @param {number} limit
 * @param {number} side
 * @param {Uint8Array} colours
 * @param {Photo} photo
 */
function printed(cells, limit, side, colours, { bitmap, image }) {
  const most = Math.min(LONGEST, Math.max(image.width, image.height));
  const size = fitted(image, { width: most, height: most });
  const shares = spread(cells, side).map((value) => (value / limit + 1) / 2);
  const map = toSize(shares, { width: side, height: side }, size);
  const canvas = blank(size.width, size.height);
  const grey = contextOf(drawn(bitmap, size.width, size.height, true)).getImageData(0, 0, size.width, size.height);
  for (let i = 0; i < map.length; i++) {
    const pale = (grey.data[4 * i] >> 1) + 127;
    const start = 3 * colourIndex(map[i], 0, 1);
    for (let c = 0; c < 3; c++) grey.data[4 * i + c] = Math.floor((colours[start + c] * pale) / 255);
  }
  contextOf(canvas).putImageData(grey, 0, 0);
  return canvas.toDataURL();
}
