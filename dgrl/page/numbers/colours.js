// The colours of maps as numbers. stage/ draws with them.

import { spread } from "./layers.js";

/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {[number, number, number]} RGB */

/** Longer side of a map with interpolated values, in pixels. */
const FINEST_SPREAD = 320;

/**
 * The 256 colours of a palette.
 * @param {string} digits six hexadecimal digits for each colour
 * @returns {Uint8Array} (256, 3)
 */
export function palette(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * Return which of 256 colours a value has. Values outside the scale get the colour of the nearest end.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function colourIndex(value, low, high) {
  const index = Math.floor(((value - low) * 256) / (high > low ? high - low : 1));
  return Math.min(Math.max(index, 0), 255);
}

/**
 * @param {Uint8Array} colours
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @returns {RGB}
 */
export function colourOf(colours, value, low, high) {
  const start = 3 * colourIndex(value, low, high);
  const [red = 0, green = 0, blue = 0] = colours.subarray(start, start + 3);
  return [red, green, blue];
}

/** @param {RGB} colour */
export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/**
 * Return black or white: the one with more contrast (WCAG) on a colour.
 * @param {RGB} colour
 */
export function inkOn(colour) {
  const [red, green, blue] = /** @type {RGB} */ (
    colour.map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4))
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

/**
 * Return a map in colours: one pixel per cell, or more if values are interpolated.
 * @param {Layer} layer
 * @param {Uint8Array} colours
 * @param {{width: number, height: number}} photo an interpolated map gets its proportions
 * @returns {{data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number}} RGBA, for `ImageData`
 */
export function pixelsOf(layer, colours, photo) {
  let { values, width, height } = layer;
  if (layer.aligned) {
    const factor = FINEST_SPREAD / Math.max(photo.width, photo.height);
    width = Math.max(1, Math.round(photo.width * factor));
    height = Math.max(1, Math.round(photo.height * factor));
    values = spread(layer, width, height);
  }
  const pixels = new Uint32Array(width * height);
  const words = new Uint32Array(256);
  const bytes = new Uint8Array(words.buffer);
  for (let i = 0; i < 256; i++) bytes.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  for (let i = 0; i < pixels.length; i++) pixels[i] = words[colourIndex(values[i], layer.low, layer.high)];
  return { data: new Uint8ClampedArray(pixels.buffer), width, height };
}
