// How attention is distributed, as in dgrl.experiments.passes.share_inside and
// dgrl.experiments.effects.half_mass_share.

/**
 * The share of an attention map's mass that lies on an object. A cell counts with the share of its area that is object.
 * @param {Float32Array} weights (height, width)
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} mask (maskHeight, maskWidth), not 0 on the object
 * @param {number} maskWidth
 * @param {number} maskHeight
 */
export function shareOnObject(weights, width, height, mask, maskWidth, maskHeight) {
  let [inside, total] = [0, 0];
  for (let row = 0, i = 0; row < height; row++) {
    const [top, bottom] = cellArea(row, height, maskHeight);
    for (let column = 0; column < width; column++, i++) {
      const [left, right] = cellArea(column, width, maskWidth);
      let count = 0;
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) if (mask[y * maskWidth + x]) count += 1;
      inside += (weights[i] * count) / ((bottom - top) * (right - left));
      total += weights[i];
    }
  }
  return inside / total;
}

/**
 * The pixels that a cell covers, as PyTorch's adaptive pooling cuts them.
 * @param {number} cell
 * @param {number} cells
 * @param {number} pixels
 * @returns {[number, number]} the first, and the one after the last
 */
const cellArea = (cell, cells, pixels) => [
  Math.floor((cell * pixels) / cells),
  Math.ceil(((cell + 1) * pixels) / cells),
];

/**
 * Return the smallest share of a map's cells that holds half of its mass. It is small if attention is narrow.
 * @param {Float32Array} weights
 */
export function halfOf(weights) {
  const sorted = weights.toSorted((a, b) => b - a);
  const mass = new Float32Array(sorted.length); // rounds each sum to float32, as NumPy does
  sorted.forEach((value, i) => {
    mass[i] = (i ? mass[i - 1] : 0) + value;
  });
  const half = Math.fround(0.5 * mass[mass.length - 1]);
  return (mass.findIndex((sum) => sum >= half) + 1) / mass.length;
}
