// Arrows that show where kernels take their values from, like dgrl.trace.Trace.kernel_field.

import { outlineOf } from "./found.js";

/** @typedef {import("./pass.js").Pass} Pass */

/** Number of arrows along the whole contour, or along its zoomed part. */
const COUNT = 40;
/** Length of an arrow, as a multiple of the distance from a pixel to its kernel's centre of mass. */
const LENGTH = 40;

/**
 * Return the centre of mass of a pixel's kernel, in pixels from the pixel. Coefficients count by their absolute value.
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
 * Return arrows along the found object's contour, in shares of the photo.
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
  const stride = Math.max(1, Math.floor(points.length / COUNT));
  const scale = LENGTH * Math.max(part.width, part.height, 0.2); // so that zooming keeps their length on the screen
  return points
    .filter((_, i) => i % stride === 0)
    .map(([x = 0, y = 0]) => {
      const column = Math.min(Math.floor(x * width), width - 1);
      const row = Math.min(Math.floor(y * height), height - 1);
      const [across, down] = kernelShift(pass, column, row);
      return { x, y, dx: (scale * across) / width, dy: (scale * down) / height };
    });
}
