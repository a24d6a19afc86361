// Maps as pictures. Nothing here knows of events or of the page.

import { spread } from "./layers.js";

/** @typedef {import("./layers.js").Layer} Layer */
/** @typedef {[number, number, number]} RGB */

const FINEST_SPREAD = 320;

/**
 * 256 colours from the header's hexadecimal digits.
 * @param {string} digits
 * @returns {Uint8Array} (256, 3)
 */
export function palette(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * Which of 256 colours a value has; values beyond the scale have its ends' colours.
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
 * Which of black and white is legible on a colour: the one of higher contrast by WCAG.
 * @param {RGB} colour
 */
export function inkOn(colour) {
  const [red, green, blue] = /** @type {RGB} */ (
    colour.map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4))
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

/**
 * A map in colours, of its own size or, where values lie between cells, finer.
 * @param {Layer} layer
 * @param {Uint8Array} colours
 * @param {{width: number, height: number}} photo
 */
export function colourised(layer, colours, photo) {
  let { values, width, height } = layer;
  if (layer.aligned) {
    const factor = FINEST_SPREAD / Math.max(photo.width, photo.height);
    width = Math.max(1, Math.round(photo.width * factor));
    height = Math.max(1, Math.round(photo.height * factor));
    values = spread(layer, width, height);
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const words = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const [red = 0, green = 0, blue = 0] = colours.subarray(3 * i, 3 * i + 3);
    words[i] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  for (let i = 0; i < pixels.length; i++) {
    const value = /** @type {number} */ (values[i]);
    pixels[i] = /** @type {number} */ (words[colourIndex(value, layer.low, layer.high)]);
  }
  const canvas = blank(width, height);
  contextOf(canvas).putImageData(image, 0, 0);
  return canvas;
}

/**
 * The photo, in grey where a map will lie over it, so that every colour that is seen is the map's.
 * @param {CanvasImageSource} photo
 * @param {number} width
 * @param {number} height
 * @param {boolean} grey
 */
export function photoOf(photo, width, height, grey) {
  const canvas = blank(width, height);
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, width, height);
  if (!grey) return canvas;
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    const [red = 0, green = 0, blue = 0] = data.subarray(i, i + 3);
    data[i] = data[i + 1] = data[i + 2] = (red * 299 + green * 587 + blue * 114) / 1000;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Lay a map over a photo.
 * @param {HTMLCanvasElement} canvas is drawn on, all of it
 * @param {HTMLCanvasElement} photo
 * @param {HTMLCanvasElement | null} map
 * @param {number} opacity
 */
export function compose(canvas, photo, map, opacity) {
  const context = contextOf(canvas);
  context.globalAlpha = 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  if (!map) return;
  context.globalAlpha = opacity;
  // Few cells of a large picture stay cells: a blur would look like knowledge that nobody has.
  context.imageSmoothingEnabled = canvas.width < 4 * map.width;
  context.drawImage(map, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = true;
}

/**
 * What surrounds a cell of BRN's map, each cell a square, with the kernel's window and the cell itself outlined.
 * @param {HTMLCanvasElement} canvas square, is drawn on
 * @param {HTMLCanvasElement} picture covers the photo
 * @param {{width: number, height: number}} grid
 * @param {{column: number, row: number, n: number, reach: number, smooth: boolean}} place
 */
export function closeUp(canvas, picture, grid, { column, row, n, reach, smooth }) {
  const context = contextOf(canvas);
  const side = canvas.width;
  const cell = side / (2 * reach + 1);
  context.fillStyle = "#808080";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(picture, (reach - column) * cell, (reach - row) * cell, grid.width * cell, grid.height * cell);
  for (const half of [n >> 1, 0]) {
    const start = (reach - half) * cell;
    const length = (2 * half + 1) * cell;
    context.lineWidth = 3;
    context.strokeStyle = "#fff";
    context.strokeRect(start - 1, start - 1, length + 2, length + 2);
    context.lineWidth = 1.5;
    context.strokeStyle = "#000";
    context.strokeRect(start, start, length, length);
  }
}

/**
 * @param {number} width
 * @param {number} height
 */
export function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}
