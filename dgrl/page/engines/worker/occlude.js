// Occlusion, as in dgrl.attribution: how much a value falls when a window of the photo is blurred. It needs no
// gradients, only passes of RLN.

/**
 * @typedef {Object} Target The explained value.
 * @property {string} kind "pixel", "object" or "cell"
 * @property {number} step the time step t
 * @property {string} level of a cell
 * @property {number} row in RLN's map, or in the level's weight map; unused for the object
 * @property {number} column
 */

/** @typedef {Record<string, Float32Array>} Taps of the target's time step */

/**
 * @typedef {Object} Found
 * @property {number[][]} cells (8, 8): each cell's mean over the windows that cover it
 * @property {number} value for the photo
 * @property {number} baseline for the blurred photo
 */

const CELLS = 8;
/** Standard deviation of the blur, as a share of the side, and its radius in standard deviations. */
const BLUR = 1 / 20;
const REACH = 3;

/**
 * Hide the photo under squares of a quarter of its side, which overlap by half, one after the other.
 * @param {Float32Array} picture (3, side, side)
 * @param {number} side
 * @param {Target} target
 * @param {number} above the probability above which a pixel belongs to the object
 * @param {(picture: Float32Array) => Promise<Taps>} localise
 * @param {(share: number) => void} progress
 * @returns {Promise<Found>}
 */
export async function occlude(picture, side, target, above, localise, progress) {
  const hidden = blur(picture, side);
  const unchangedTaps = await localise(picture);
  const readTarget = readerOf(target, unchangedTaps, side, above);
  const value = readTarget(unchangedTaps);
  const baseline = readTarget(await localise(hidden));
  const sums = Array.from({ length: CELLS }, () => new Array(CELLS).fill(0));
  const counts = Array.from({ length: CELLS }, () => new Array(CELLS).fill(0));
  const windows = CELLS - 1;
  for (let i = 0; i < windows ** 2; i++) {
    const [row, column] = [Math.floor(i / windows), i % windows];
    const loss = value - readTarget(await localise(blurWindow(picture, hidden, side, row, column)));
    for (const y of [row, row + 1]) {
      for (const x of [column, column + 1]) {
        sums[y][x] += loss;
        counts[y][x] += 1;
      }
    }
    progress((i + 1) / windows ** 2);
  }
  return { cells: sums.map((line, y) => line.map((sum, x) => sum / counts[y][x])), value, baseline };
}

/**
 * Return the picture with one blurred window.
 * @param {Float32Array} picture (3, side, side)
 * @param {Float32Array} hidden the blurred picture
 * @param {number} side
 * @param {number} row of the window's first cell
 * @param {number} column
 */
function blurWindow(picture, hidden, side, row, column) {
  const stride = Math.floor(side / CELLS);
  const result = picture.slice();
  for (let plane = 0; plane < 3; plane++) {
    for (let y = row * stride; y < (row + 2) * stride; y++) {
      const start = (plane * side + y) * side + column * stride;
      result.set(hidden.subarray(start, start + 2 * stride), start);
    }
  }
  return result;
}

/**
 * Return a function that reads the explained value from a step's taps.
 * @param {Target} target
 * @param {Taps} unchangedTaps taps for the unchanged photo
 * @param {number} side
 * @param {number} above
 * @returns {(taps: Taps) => number}
 */
function readerOf({ kind, step, level, row, column }, unchangedTaps, side, above) {
  const map = `rln.t${step}.${level}.weight_map`;
  if (kind === "cell") return (taps) => taps[map][row * Math.sqrt(taps[map].length) + column];
  const size = side ** 2;
  /** Object minus background. @type {(taps: Taps, place: number) => number} */
  const evidence = (taps, place) => taps[`rln.t${step}.logits`][size + place] - taps[`rln.t${step}.logits`][place];
  if (kind === "pixel") return (taps) => evidence(taps, row * side + column);
  const least = Math.log(above / (1 - above));
  const object = Array.from({ length: size }, (_, place) => place).filter(
    (place) => evidence(unchangedTaps, place) > least,
  );
  if (!object.length) throw new Error(`Nothing stands out at t = ${step}, so there is no object to explain.`);
  return (taps) => object.reduce((sum, place) => sum + evidence(taps, place), 0) / object.length;
}

/**
 * Blur each plane with a Gaussian, along the rows and then along the columns; the sides are mirrored.
 * @param {Float32Array} picture (3, side, side)
 * @param {number} side
 */
export function blur(picture, side) {
  const deviation = side * BLUR;
  const reach = Math.round(REACH * deviation);
  const bell = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / deviation) ** 2));
  const total = bell.reduce((sum, value) => sum + value, 0);
  const kernel = Float64Array.from(bell, (value) => value / total);
  return smooth(smooth(picture, side, kernel, 1), side, kernel, side);
}

/**
 * @param {Float32Array} picture (3, side, side)
 * @param {number} side
 * @param {Float64Array} kernel
 * @param {number} stride distance of neighbours: 1 along the rows, `side` along the columns
 */
function smooth(picture, side, kernel, stride) {
  const reach = kernel.length >> 1;
  const result = new Float32Array(picture.length);
  const line = new Float64Array(side + 2 * reach);
  for (let i = 0; i < 3 * side; i++) {
    const start = stride === 1 ? i * side : Math.floor(i / side) * side * side + (i % side);
    for (let j = 0; j < line.length; j++) line[j] = picture[start + mirror(j - reach, side) * stride];
    for (let j = 0; j < side; j++) {
      let sum = 0;
      for (let k = 0; k < kernel.length; k++) sum += kernel[k] * line[j + k];
      result[start + j * stride] = sum;
    }
  }
  return result;
}

/**
 * Mirror an index that lies outside.
 * @param {number} index outside by less than `length`
 * @param {number} length
 */
function mirror(index, length) {
  const place = Math.abs(index);
  return place < length ? place : 2 * (length - 1) - place;
}
