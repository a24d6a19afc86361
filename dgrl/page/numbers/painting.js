// Painting on an attention map: a mask over the photo, and its effect on the map, as in dgrl.taps.paint_map.

/** @typedef {{width: number, height: number, data: Uint8Array}} Mask 255 is painted; stretched over the photo */

export const LONGEST_MASK = 128;

/**
 * An empty mask with the photo's proportions.
 * @param {{width: number, height: number}} photo
 * @returns {Mask}
 */
export function emptyMask(photo) {
  const factor = LONGEST_MASK / Math.max(photo.width, photo.height);
  const width = Math.max(1, Math.round(photo.width * factor));
  const height = Math.max(1, Math.round(photo.height * factor));
  return { width, height, data: new Uint8Array(width * height) };
}

/**
 * Draw a stroke with a round brush.
 * @param {Mask} mask is changed
 * @param {[number, number]} from in shares of the photo's width and height
 * @param {[number, number]} to
 * @param {number} radius in shares of the photo's longer side
 * @param {number} value 255 paints, 0 erases
 */
export function stroke(mask, from, to, radius, value) {
  const { width, height, data } = mask;
  // Add half a cell, so that the smallest brush paints the cell that it touches.
  const reach = radius * Math.max(width, height) + 0.5;
  const [x0, y0, x1, y1] = [from[0] * width, from[1] * height, to[0] * width, to[1] * height];
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      const [x, y] = [column + 0.5, row + 0.5];
      const share = length ? Math.min(Math.max(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0), 1) : 0;
      if (Math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)) <= reach) data[i] = value;
    }
  }
}

/**
 * The share of each cell of a map that is painted. Each pixel of the mask counts for the nearest cell; the centres of
 * the first and last cell lie on the photo's sides.
 * @param {Mask} mask
 * @param {number} width number of the map's columns
 * @param {number} height number of its rows
 * @returns {Float32Array} (height, width) in [0, 1]
 */
export function shares(mask, width, height) {
  const across = nearest(mask.width, width);
  const down = nearest(mask.height, height);
  const painted = new Float64Array(width * height);
  const sums = new Float64Array(width * height);
  down.forEach((row, j) => {
    const y = Math.floor((j * mask.height) / down.length);
    across.forEach((column, i) => {
      const x = Math.floor((i * mask.width) / across.length);
      const cell = row * width + column;
      painted[cell] = painted[cell] + mask.data[y * mask.width + x] / 255;
      sums[cell] = sums[cell] + 1;
    });
  });
  return Float32Array.from(painted, (sum, cell) => sum / sums[cell]);
}

/**
 * Return the nearest cell of each pixel. If the mask is coarser than the map, its pixels are divided, so that every
 * cell
 * gets some.
 * @param {number} pixels
 * @param {number} cells
 */
function nearest(pixels, cells) {
  const pieces = pixels * Math.ceil((2 * cells) / pixels);
  return Array.from({ length: pieces }, (_, i) => Math.floor(((i + 0.5) / pieces) * (cells - 1) + 0.5));
}

/**
 * Return the painted attention map: multiplied by the strength where it is painted, then divided by its mean.
 * @param {Float32Array} weights
 * @param {Float32Array} share painted share of each cell
 * @param {number} strength
 */
export function painted(weights, share, strength) {
  const paintedWeights = weights.map((weight, i) => weight * (1 + (strength - 1) * share[i]));
  const mean = paintedWeights.reduce((sum, value) => sum + value, 0) / paintedWeights.length;
  return mean > 0 ? paintedWeights.map((value) => value / mean) : weights;
}
