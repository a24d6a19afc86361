// Describes an explanation in sentences, as dgrl.attribution does.

import { percent } from "../../numbers/format.js";
import vocabulary from "../../vocabulary.js";

/**
 * @param {{value: number, baseline: number}} found
 * @param {{kind: string, step: number, level: string, row: number, column: number}} target
 * @param {{x: number, y: number}} place the photo's pixel
 * @param {number} inside share of the positive evidence that lies on the object
 * @param {number} covered share of the photo that the object covers; 0 if there is none
 */
export function explanationWords({ value, baseline }, { kind, step, level, row, column }, { x, y }, inside, covered) {
  const number = value.toFixed(2);
  const word = vocabulary.levels.find(({ name }) => name === level)?.word ?? level;
  const probability = (1 / (1 + Math.exp(-value))).toFixed(3);
  const sentences = {
    cell: `The ${word} attention in row ${row}, column ${column} at look ${step + 1} is ${number}; 1 is average.`,
    object: `The evidence for the object at look ${step + 1} is ${number} on average over its pixels.`,
    pixel: `The evidence for the object at column ${x}, row ${y}, look ${step + 1}, is ${number}: a probability of ${probability}.`,
  };
  const texts = [`Without the photo it would be ${baseline.toFixed(2)}.`];
  if (covered) {
    texts.push(
      `${percent(inside)} of what speaks for it lies on the found object, which covers ${percent(covered)} of the photo.`,
    );
  }
  return [sentences[/** @type {"cell"} */ (kind)], ...texts].join(" ");
}

/**
 * Spread Occlusion's cells over RLN's square.
 * @param {number[][]} cells
 * @param {number} side
 */
export function spreadCells(cells, side) {
  const cell = (/** @type {number} */ place) => Math.floor((place * cells.length) / side);
  return Float32Array.from({ length: side * side }, (_, i) => cells[cell(Math.floor(i / side))]?.[cell(i % side)] ?? 0);
}

/**
 * Return the share of all positive evidence that lies on the object.
 * @param {Float32Array} values
 * @param {Uint8Array} object of the same size
 */
export function shareInside(values, object) {
  let [inside, total] = [0, 0];
  values.forEach((value, i) => {
    const speaking = Math.max(value, 0);
    total += speaking;
    if (object[i]) inside += speaking;
  });
  return total > 0 ? inside / total : 0;
}
