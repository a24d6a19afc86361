// Photos and maps as canvases. They are cached, because a pass never changes.

import { blank, contextOf } from "../dom.js";
import { palette, pixelsOf } from "../numbers/colours.js";
import { outlineOf } from "../numbers/found.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../numbers/layers.js").Layer} Layer
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {{x: number, y: number, width: number, height: number}} Zoom in shares of the photo
 */

export const WHOLE_PHOTO = { x: 0, y: 0, width: 1, height: 1 };
const LONGEST = 1600;
/** How dark the surroundings of the found object are, from 0 to 1. */
const SHADE = 0.74;

const palettes = {
  weights: palette(vocabulary.colours.weights),
  saliency: palette(vocabulary.colours.saliency),
  signed: palette(vocabulary.colours.signed),
};

/** @param {Layer} layer */
export const paletteOf = ({ colours }) => palettes[colours];

/** @type {WeakMap<Float32Array, {key: string, canvas: HTMLCanvasElement}>} */
const maps = new WeakMap();

/**
 * A map in colours.
 * @param {Layer} layer
 * @param {{width: number, height: number}} photo
 */
export function mapCanvas(layer, photo) {
  const key = [layer.low, layer.high, layer.colours, photo.width, photo.height].join();
  const cached = maps.get(layer.values);
  if (cached?.key === key) return cached.canvas;
  const { data, width, height } = pixelsOf(layer, paletteOf(layer), photo);
  const canvas = blank(width, height);
  contextOf(canvas).putImageData(new ImageData(/** @type {any} */ (data), width, height), 0, 0);
  maps.set(layer.values, { key, canvas });
  return canvas;
}

/** @type {WeakMap<object, Record<string, HTMLCanvasElement>>} */
const photos = new WeakMap();

/**
 * Return the photo in colour, or in grey, so that all colours belong to the map.
 * @param {CanvasImageSource} photo
 * @param {{width: number, height: number}} size
 * @param {boolean} grey
 */
export function photoCanvas(photo, size, grey) {
  const cached = photos.get(photo) ?? {};
  photos.set(photo, cached);
  const key = grey ? "grey" : "colour";
  cached[key] ??= drawnPhoto(photo, size, grey);
  return cached[key];
}

/**
 * @param {CanvasImageSource} photo
 * @param {{width: number, height: number}} size
 * @param {boolean} grey
 */
function drawnPhoto(photo, size, grey) {
  const factor = Math.min(1, LONGEST / Math.max(size.width, size.height));
  const canvas = blank(size.width * factor, size.height * factor);
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  if (!grey) return canvas;
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) {
    const luma = ((data[i] ?? 0) * 299 + (data[i + 1] ?? 0) * 587 + (data[i + 2] ?? 0) * 114) / 1000;
    data[i] = data[i + 1] = data[i + 2] = luma;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** @type {WeakMap<Float32Array, HTMLCanvasElement>} */
const shades = new WeakMap();

/**
 * Return a dark layer over everything but the found object: the less likely a pixel is part of it, the darker.
 * @param {Layer} layer the refined map
 */
function shade(layer) {
  const cached = shades.get(layer.values);
  if (cached) return cached;
  const canvas = blank(layer.width, layer.height);
  const image = new ImageData(layer.width, layer.height);
  layer.values.forEach((value, i) => {
    image.data[4 * i + 2] = 16;
    image.data[4 * i + 3] = 255 * SHADE * (1 - value);
  });
  contextOf(canvas).putImageData(image, 0, 0);
  shades.set(layer.values, canvas);
  return canvas;
}

/** @type {WeakMap<Float32Array, Path2D>} */
const outlines = new WeakMap();

/**
 * The found object's contour, in shares of the photo.
 * @param {Layer} layer
 */
export function outlinePath(layer) {
  const cached = outlines.get(layer.values);
  if (cached) return cached;
  const path = new Path2D();
  for (const line of outlineOf(layer.values, layer.width, layer.height, vocabulary.found.above)) {
    for (const [i, [x = 0, y = 0]] of line.entries()) {
      if (i) path.lineTo(x, y);
      else path.moveTo(x, y);
    }
  }
  outlines.set(layer.values, path);
  return path;
}

/**
 * Set the canvas's transformation, so that drawing the whole photo shows the zoomed part.
 * @param {HTMLCanvasElement} canvas
 * @param {Zoom} zoom
 * @returns {{width: number, height: number}} the whole photo's size on the canvas
 */
export function zoomed(canvas, zoom) {
  const fullSize = { width: canvas.width / zoom.width, height: canvas.height / zoom.height };
  contextOf(canvas).setTransform(1, 0, 0, 1, -zoom.x * fullSize.width, -zoom.y * fullSize.height);
  return fullSize;
}

/**
 * Draw a photo with a map, or with the found object lit.
 * @param {HTMLCanvasElement} canvas is drawn completely
 * @param {{photo: CanvasImageSource, size: {width: number, height: number}, layer: Layer | null, map: string,
 *   opacity: number, zoom: Zoom}} picture
 */
export function drawPicture(canvas, { photo, size, layer, map, opacity, zoom }) {
  const context = contextOf(canvas);
  const fullSize = zoomed(canvas, zoom);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  const showsObject = map === "result";
  context.drawImage(photoCanvas(photo, size, layer !== null && !showsObject), 0, 0, fullSize.width, fullSize.height);
  if (!layer) return;
  if (showsObject) {
    context.drawImage(shade(layer), 0, 0, fullSize.width, fullSize.height);
    strokeOutline(context, layer, fullSize);
    return;
  }
  const mapPicture = mapCanvas(layer, size);
  context.globalAlpha = opacity;
  // Show the cells of coarse maps, because smoothing them would suggest more detail than there is.
  context.imageSmoothingEnabled = fullSize.width < 4 * mapPicture.width;
  context.drawImage(mapPicture, 0, 0, fullSize.width, fullSize.height);
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Layer} layer
 * @param {{width: number, height: number}} whole
 */
function strokeOutline(context, layer, whole) {
  context.save();
  context.scale(whole.width, whole.height);
  const path = outlinePath(layer);
  const pixel = 1 / Math.max(whole.width, whole.height);
  for (const [colour, width] of /** @type {[string, number][]} */ ([
    ["#000a", 4.5],
    ["#ffd166", 2.2],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = width * pixel;
    context.stroke(path);
  }
  context.restore();
}

/**
 * Draw the surroundings of a cell of BRN's map: each cell a square, with outlines of the kernel's window and the cell.
 * @param {HTMLCanvasElement} canvas square
 * @param {HTMLCanvasElement} picture a picture of the whole photo
 * @param {{width: number, height: number}} grid
 * @param {{column: number, row: number, n: number, reach: number}} place
 */
export function drawCloseUp(canvas, picture, grid, { column, row, n, reach }) {
  const context = contextOf(canvas);
  const side = canvas.width;
  const cell = side / (2 * reach + 1);
  context.fillStyle = "#808080";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingEnabled = false;
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
