// How BRN computed one pixel, with the numbers of dgrl.trace.PixelTrace.

/** @typedef {import("./pass.js").Pass} Pass */

/**
 * @typedef {Object} Pixel Each window has n × n values, row by row.
 * @property {number} n
 * @property {Float64Array} coefficients kernel weights v
 * @property {Float64Array} neighbours saliency s of the neighbours, 0 outside the map
 * @property {Float64Array} foregroundProducts v · s
 * @property {Float64Array} backgroundProducts v · (1 − s)
 * @property {number} foreground evidence for the object F, the sum of v · s
 * @property {number} background evidence for the background B, the sum of v · (1 − s)
 * @property {number} evidence F − B
 * @property {number} before the map at this pixel before this propagation
 * @property {number} refined the map at this pixel after it
 */

/**
 * @param {Pass} pass with its BRN parts
 * @param {number} column of BRN's map
 * @param {number} row
 * @param {number} round number of the propagation, from 1
 * @param {ArrayLike<number>} [exact] the pixel's n² coefficients with all digits, if they are known
 * @returns {Pixel}
 */
export function pixelOfPass(pass, column, row, round, exact) {
  const { header, arrays } = pass;
  const { width, height } = header.brn;
  const n = header.kernel_size;
  const map = /** @type {Float32Array} */ (arrays[`brn.round${round - 1}`]);
  const after = /** @type {Float32Array} */ (arrays[`brn.round${round}`]);
  const coefficients = /** @type {Float32Array} */ (arrays["brn.coefficients"]);
  const place = row * width + column;
  const pixel = {
    n,
    coefficients: new Float64Array(n * n),
    neighbours: new Float64Array(n * n),
    foregroundProducts: new Float64Array(n * n),
    backgroundProducts: new Float64Array(n * n),
    foreground: 0,
    background: 0,
    evidence: 0,
    before: map[place],
    refined: after[place],
  };
  for (let d = 0; d < n * n; d++) {
    const y = row + Math.floor(d / n) - (n >> 1);
    const x = column + (d % n) - (n >> 1);
    const v = exact ? exact[d] : coefficients[d * width * height + place];
    const s = x >= 0 && x < width && y >= 0 && y < height ? map[y * width + x] : 0;
    pixel.coefficients[d] = v;
    pixel.neighbours[d] = s;
    pixel.foregroundProducts[d] = v * s;
    pixel.backgroundProducts[d] = v * (1 - s);
    pixel.foreground += v * s;
    pixel.background += v * (1 - s);
  }
  pixel.evidence = pixel.foreground - pixel.background;
  const sums = arrays[`brn.sums${round}`];
  if (sums && !exact) {
    // Stored coefficients may be rounded; the stored sums were computed before rounding.
    pixel.foreground = sums[place];
    pixel.background = sums[width * height + place];
    pixel.evidence = sums[2 * width * height + place];
  }
  return pixel;
}
