// The colours of an object without the old background at its edge, computed as in dgrl.images.foreground:
// Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020, with pymatting's settings.

/** @typedef {import("./places.js").Size} Size */

/** Longest side at which foreground and background are estimated. */
const LONGEST = 1000;
const REGULARISATION = 1e-5;
const SMALL = { side: 32, iterations: 10 };
const LARGE_ITERATIONS = 2;
const COLOURS = 3;

/**
 * @typedef {Object} Filter One of Pillow's filters for resizing.
 * @property {number} support half its width
 * @property {(x: number) => number} weight
 */

/** @type {Filter} */
const BOX = { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
/** @type {Filter} */
const BILINEAR = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/**
 * Return a photo without the old background's colour at the object's edge.
 * @param {Uint8Array | Uint8ClampedArray} colours (H, W, 3)
 * @param {Uint8Array | Uint8ClampedArray} alpha (H, W) how much of each pixel belongs to the object, from 0 to 255
 * @param {number} width
 * @param {number} height
 * @returns {Uint8ClampedArray} (H, W, 3)
 */
export function foreground(colours, alpha, width, height) {
  if (Math.max(width, height) < 2 || alpha.every((value) => value === 255)) return Uint8ClampedArray.from(colours);
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const full = { width, height };
  const small = { width: Math.max(Math.round(width * scale), 1), height: Math.max(Math.round(height * scale), 1) };
  const unit = (/** @type {Uint8ClampedArray} */ bytes) => Float32Array.from(bytes, (value) => value / 255);
  const image = unit(resized(colours, full, small, COLOURS, BOX));
  const matte = unit(resized(alpha, full, small, 1, BOX));
  const [front, back] = estimated(image, matte, small).map((layer) => {
    const bytes = Uint8ClampedArray.from(layer, (value) => 255 * value);
    return resized(bytes, small, full, COLOURS, BILINEAR);
  });
  const result = /** @type {Uint8ClampedArray} */ (front);
  for (let i = 0; i < alpha.length; i++) {
    const share = alpha[i] / 255;
    if (!share) continue;
    const weight = share / (share ** 2 + (1 - share) ** 2);
    for (let j = COLOURS * i; j < COLOURS * (i + 1); j++) {
      const unexplained = colours[j] - share * result[j] - (1 - share) * /** @type {any} */ (back)[j];
      result[j] += weight * unexplained;
    }
  }
  return result;
}

/**
 * Resize as Pillow does, columns first.
 * @param {Uint8Array | Uint8ClampedArray} values (H, W, channels)
 * @param {Size} from
 * @param {Size} to
 * @param {number} channels
 * @param {Filter} filter
 */
function resized(values, from, to, channels, filter) {
  if (from.width === to.width && from.height === to.height) return Uint8ClampedArray.from(values);
  const wide = new Uint8ClampedArray(from.height * to.width * channels);
  const across = windows(from.width, to.width, filter);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < to.width; x++) {
      const { start, weights } = across[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++)
          sum += weights[k] * values[(y * from.width + start + k) * channels + c];
        wide[(y * to.width + x) * channels + c] = Math.floor(sum + 0.5); // Pillow rounds halves up
      }
    }
  }
  const result = new Uint8ClampedArray(to.height * to.width * channels);
  const row = to.width * channels;
  windows(from.height, to.height, filter).forEach(({ start, weights }, y) => {
    for (let i = 0; i < row; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * wide[(start + k) * row + i];
      result[y * row + i] = Math.floor(sum + 0.5);
    }
  });
  return result;
}

/**
 * Return, for each place of a resized line, the places that it is computed from and their weights.
 * @param {number} from length
 * @param {number} to length
 * @param {Filter} filter
 */
function windows(from, to, { support, weight }) {
  const scale = from / to;
  const wider = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support * wider + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support * wider + 0.5), from);
    const raw = Array.from({ length: end - start }, (_, k) => weight((start + k - centre + 0.5) * (1 / wider)));
    const sum = raw.reduce((total, value) => total + value, 0);
    return { start, weights: raw.map((value) => value / sum) };
  });
}

/**
 * Estimate foreground and background, from coarse to fine.
 * @param {Float32Array} image (H, W, 3)
 * @param {Float32Array} alpha (H, W)
 * @param {Size} size
 * @returns {[Float32Array, Float32Array]} (H, W, 3)
 */
function estimated(image, alpha, { width, height }) {
  let size = { width: 1, height: 1 };
  let front = meanColour(image, alpha, (share) => share > 0.9);
  let back = meanColour(image, alpha, (share) => share < 0.1);
  const levels = Math.ceil(Math.log2(Math.max(width, height)));
  for (let level = 0; level <= levels; level++) {
    const part = level / levels;
    const next = { width: Math.round(width ** part), height: Math.round(height ** part) };
    const fullSize = { width, height };
    front = nearest(front, size, next, COLOURS);
    back = nearest(back, size, next, COLOURS);
    const reduced = nearest(image, fullSize, next, COLOURS);
    const shares = nearest(alpha, fullSize, next, 1);
    const few = next.width <= SMALL.side && next.height <= SMALL.side;
    for (let i = 0; i < (few ? SMALL.iterations : LARGE_ITERATIONS); i++) solve(front, back, reduced, shares, next);
    size = next;
  }
  return [front, back];
}

/**
 * @param {Float32Array} image
 * @param {Float32Array} alpha
 * @param {(share: number) => boolean} counts
 */
function meanColour(image, alpha, counts) {
  const mean = new Float32Array(COLOURS);
  let count = 0;
  alpha.forEach((share, i) => {
    if (!counts(share)) return;
    count += 1;
    for (let c = 0; c < COLOURS; c++) mean[c] += image[COLOURS * i + c];
  });
  return mean.map((sum) => sum / (count + 1e-5));
}

/**
 * @param {Float32Array} values (H, W, channels)
 * @param {Size} from
 * @param {Size} to
 * @param {number} channels
 */
function nearest(values, from, to, channels) {
  const result = new Float32Array(to.width * to.height * channels);
  for (let y = 0, i = 0; y < to.height; y++) {
    const row = Math.floor((y * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) {
      const start = (row + Math.floor((x * from.width) / to.width)) * channels;
      for (let c = 0; c < channels; c++) result[i++] = values[start + c];
    }
  }
  return result;
}

/**
 * Update both once: at each pixel, find the foreground and background that explain its colour and resemble their
 * neighbours.
 * @param {Float32Array} front is updated
 * @param {Float32Array} back is updated
 * @param {Float32Array} image
 * @param {Float32Array} alpha
 * @param {Size} size
 */
function solve(front, back, image, alpha, { width, height }) {
  const places = new Int32Array(4);
  const likeness = new Float64Array(4);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      places[0] = x > 0 ? i - 1 : i;
      places[1] = x < width - 1 ? i + 1 : i;
      places[2] = y > 0 ? i - width : i;
      places[3] = y < height - 1 ? i + width : i;
      const [share, backShare] = [alpha[i], 1 - alpha[i]];
      let total = 0;
      for (let d = 0; d < 4; d++) {
        likeness[d] = REGULARISATION + Math.abs(share - alpha[places[d]]);
        total += likeness[d];
      }
      const [first, mixed, second] = [share * share + total, share * backShare, backShare * backShare + total];
      const determinant = first * second - mixed * mixed;
      for (let c = 0; c < COLOURS; c++) {
        let frontSum = share * image[COLOURS * i + c];
        let backSum = backShare * image[COLOURS * i + c];
        for (let d = 0; d < 4; d++) {
          frontSum += likeness[d] * front[COLOURS * places[d] + c];
          backSum += likeness[d] * back[COLOURS * places[d] + c];
        }
        front[COLOURS * i + c] = Math.max(0, Math.min(1, (second * frontSum - mixed * backSum) / determinant));
        back[COLOURS * i + c] = Math.max(0, Math.min(1, (first * backSum - mixed * frontSum) / determinant));
      }
    }
  }
}
