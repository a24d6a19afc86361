// The numbers of a survey that the browser computes of a pass, as dgrl.evaluation.survey has them.

import { blank, contextOf } from "../dom.js";
import { shareOnObject } from "../numbers/attention.js";
import { foundIn, shareOf } from "../numbers/found.js";
import { finalMap } from "../numbers/pass.js";
import { scoresOf } from "../numbers/scores.js";
import { toSize } from "../numbers/sizing.js";
import { focusOf } from "../survey/answers.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {import("../survey/table.js").Table} Table
 */

const THUMBNAIL = 160;

/**
 * @param {Table} table without rows
 * @param {Pass} pass
 * @param {ImageData | null} truth the mask, of the photo's size, brighter than half on the object
 * @param {ImageBitmap} picture
 * @returns {Table} of the columns that are known
 */
export function surveyed(table, pass, truth, picture) {
  const { title, photo } = pass.header;
  const numbers = numbersOf(pass, truth);
  const columns = table.columns.filter(({ key }) => key in numbers);
  const values = columns.map(({ key }) => Number(numbers[key]?.toFixed(6)));
  const size = /** @type {[number, number]} */ ([photo.width, photo.height]);
  const mask = truth ? small(pixelsOf(truth)) : "";
  const pictures = [{ name: title, size, photo: small(picture), mask }];
  return {
    ...table,
    columns,
    pictures,
    rows: [{ picture: 0, checkpoint: 0, values, why: "", maps: tiles(table, pass) }],
  };
}

/**
 * @param {Pass} pass
 * @param {ImageData | null} truth
 */
function numbersOf(pass, truth) {
  const { header, arrays } = pass;
  const { width, height } = header.photo;
  const foundObject = foundIn(finalMap(pass), vocabulary.found);
  const object = truth
    ? Uint8Array.from(foundObject.mask, (_, i) => (truth.data[4 * i] > 127 ? 1 : 0))
    : foundObject.mask;
  /** @type {Record<string, number>} */
  const numbers = { found_share: foundObject.share, object_share: shareOf(object) };
  for (const [map, scores] of Object.entries(truth ? scoresOf(pass, truth, false) : {}))
    for (const [metric, value] of Object.entries(scores)) numbers[`${metric}_${map}`] = value;
  if (!numbers.object_share) return numbers;
  for (const [tap, weights] of Object.entries(arrays)) {
    const [, t, level] = /^rln\.t(\d)\.(\w+)\.weight_map$/.exec(tap) ?? [];
    const side = Math.sqrt(weights.length);
    if (!level) continue;
    const share = shareOnObject(weights, side, side, object, width, height);
    numbers[`on_object_${level}_t${t}`] = share;
    numbers.focus = Math.min(numbers.focus ?? Infinity, focusOf(share, numbers.object_share));
  }
  return numbers;
}

/** @param {ImageData} pixels */
function pixelsOf(pixels) {
  const canvas = blank(pixels.width, pixels.height);
  contextOf(canvas).putImageData(pixels, 0, 0);
  return canvas;
}

/** @param {ImageBitmap | HTMLCanvasElement} picture */
function small(picture) {
  const scale = Math.min(1, THUMBNAIL / Math.max(picture.width, picture.height));
  const canvas = blank(scale * picture.width, scale * picture.height);
  contextOf(canvas).drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

/**
 * The maps as small squares side by side; attention maps in units of their level's largest weight.
 * @param {Table} table
 * @param {Pass} pass
 */
function tiles({ tiles: descriptions, tile }, { header, arrays }) {
  const canvas = blank(descriptions.length * tile, tile);
  const context = contextOf(canvas);
  for (const [index, { key }] of descriptions.entries()) {
    const [level, t] = key.split("_");
    const tap =
      key === "refined"
        ? `brn.round${header.propagations}`
        : t
          ? `rln.${t}.${level}.weight_map`
          : `rln.${key}.saliency`;
    const values = arrays[tap];
    if (!values) continue;
    const looks = Object.entries(arrays).filter(([name]) => t && name.endsWith(`.${level}.weight_map`));
    const largest = looks.reduce((maximum, [, map]) => map.reduce((a, b) => Math.max(a, b), maximum), t ? 0 : 1);
    const side = Math.sqrt(values.length);
    const shrunk = toSize(
      values.map((value) => value / largest),
      { width: side, height: side },
      { width: tile, height: tile },
    );
    const image = new ImageData(tile, tile);
    for (const [i, value] of shrunk.entries()) image.data.set([255 * value, 255 * value, 255 * value, 255], 4 * i);
    context.putImageData(image, index * tile, 0);
  }
  return canvas.toDataURL("image/jpeg", 0.8);
}
