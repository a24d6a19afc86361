// Where kernels take their values from, as arrows: dgrl.trace.Trace.kernel_field does the same for every pixel.

import { outlineOf } from "./found.js";

/** @typedef {import("./pass.js").Pass} Pass */

/** Arrows along a whole contour, and along the part of it that is zoomed to. */
const COUNT = 40;
/** An arrow is this many times as long as the distance between a pixel and its kernel's centre of mass. */
const LENGTH = 40;

/**
 * The centre of mass of a pixel's kernel, in pixels from the pixel: coefficients count by their size.
 * @param {Pass} pass
 * @param {number} column of BRN's grid
 * @param {number} row
 * @returns {[number, number]} to the right and down
 */
export function kernelShift({ header, arrays }, column, row) {
  const { width, height } = header.brn;
  const n = header.kernel_size;
  const coefficients = /** @type {Float32Array} */ (arrays["brn.coefficients"]);
  let [sum, across, down] = [0, 0, 0];
  for (let d = 0; d < n * n; d++) {
    const size = Math.abs(coefficients[d * width * height + row * width + column] ?? 0);
    sum += size;
    across += size * ((d % n) - (n >> 1));
    down += size * (Math.floor(d / n) - (n >> 1));
  }
  return sum ? [across / sum, down / sum] : [0, 0];
}

/**
 * Arrows along the found object's contour, in shares of the photo.
 * @param {Pass} pass
 * @param {{x: number, y: number, width: number, height: number} | null} zoom
 */
export function arrowsAlong(pass, zoom) {
  const { header, arrays } = pass;
  const { width, height } = header.brn;
  const prior = arrays["brn.round0"];
  if (!prior) return [];
  const part = zoom ?? { x: 0, y: 0, width: 1, height: 1 };
  const points = outlineOf(prior, width, height, 0.5)
    .flat()
    .filter(([x = 0, y = 0]) => x >= part.x && x <= part.x + part.width && y >= part.y && y <= part.y + part.height);
  const every = Math.max(1, Math.floor(points.length / COUNT));
  const scale = LENGTH * Math.max(part.width, part.height, 0.2); // as long on the screen, zoomed or not
  return points
    .filter((_, i) => i % every === 0)
    .map(([x = 0, y = 0]) => {
      const column = Math.min(Math.floor(x * width), width - 1);
      const row = Math.min(Math.floor(y * height), height - 1);
      const [across, down] = kernelShift(pass, column, row);
      return { x, y, dx: (scale * across) / width, dy: (scale * down) / height };
    });
}
