// Resizes photos and maps as dgrl.images.square and to_size do: bilinear, with antialiasing when shrinking. A canvas
// cannot do this, because each browser resizes in its own way.

/**
 * Old pixels and weights whose weighted mean gives each new pixel of a row.
 * @typedef {Object} Weights
 * @property {Int32Array} first the first old pixel
 * @property {Int32Array} count how many old pixels
 * @property {Float64Array} shares their weights: `most` for each new pixel, 0 beyond `count`
 * @property {number} most
 */

/**
 * @param {number} inputs
 * @param {number} outputs
 * @returns {Weights}
 */
export function weightsOf(inputs, outputs) {
  const scale = inputs / outputs;
  const support = Math.max(scale, 1);
  const maxTaps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const shares = new Float64Array(outputs * maxTaps);
  for (let i = 0; i < outputs; i++) {
    const centre = scale * (i + 0.5);
    first[i] = Math.max(Math.trunc(centre - support + 0.5), 0);
    count[i] = Math.min(Math.trunc(centre + support + 0.5), inputs) - first[i];
    let total = 0;
    for (let j = 0; j < count[i]; j++) {
      const share = Math.max(1 - Math.abs((j + first[i] - centre + 0.5) / support), 0);
      shares[i * maxTaps + j] = share;
      total += share;
    }
    for (let j = 0; j < count[i]; j++) shares[i * maxTaps + j] /= total;
  }
  return { first, count, shares, most: maxTaps };
}

/**
 * Return the weights as integer multiples of 2^-precision, as PyTorch uses them for bytes.
 * @param {Weights} weights
 */
function integerWeights({ shares }) {
  const largest = shares.reduce((maximum, share) => Math.max(maximum, share), 0);
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 2 ** 15) precision++;
  return { precision, shares: Int32Array.from(shares, (share) => Math.trunc(0.5 + share * 2 ** precision)) };
}

/**
 * Resize a photo to the square that a network reads. Its proportions are not kept (paper). The photo is resized along
 * the
 * rows and then along the columns, and rounded to bytes each time.
 * @param {Uint8ClampedArray} pixels (height, width, 4): red, green, blue, and a byte that is ignored
 * @param {number} width
 * @param {number} height
 * @param {number} side
 * @returns {Float32Array} (3, side, side) in [0, 1]
 */
export function square(pixels, width, height, side) {
  const across = weightsOf(width, side);
  const down = weightsOf(height, side);
  const rows = new Uint8ClampedArray(height * side * 3);
  const { precision, shares } = integerWeights(across);
  const half = 2 ** (precision - 1);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < side; x++, to += 3) {
      let from = 4 * (y * width + across.first[x]);
      let [red, green, blue] = [half, half, half];
      for (let j = 0, k = x * across.most; j < across.count[x]; j++, k++, from += 4) {
        red += shares[k] * pixels[from];
        green += shares[k] * pixels[from + 1];
        blue += shares[k] * pixels[from + 2];
      }
      rows[to] = red >> precision;
      rows[to + 1] = green >> precision;
      rows[to + 2] = blue >> precision;
    }
  }
  return columns(rows, down, side);
}

/**
 * The second half of `square`: resize along the columns.
 * @param {Uint8ClampedArray} rows (height, side, 3)
 * @param {Weights} down
 * @param {number} side
 */
function columns(rows, down, side) {
  const { precision, shares } = integerWeights(down);
  const half = 2 ** (precision - 1);
  const result = new Float32Array(3 * side * side);
  const sums = new Int32Array(3 * side);
  const byte = new Uint8ClampedArray(1);
  for (let y = 0; y < side; y++) {
    sums.fill(half);
    for (let j = 0; j < down.count[y]; j++) {
      const share = shares[y * down.most + j];
      const from = 3 * side * (down.first[y] + j);
      for (let i = 0; i < 3 * side; i++) sums[i] += share * rows[from + i];
    }
    for (let i = 0; i < 3 * side; i++) {
      byte[0] = sums[i] >> precision;
      result[(i % 3) * side * side + y * side + Math.trunc(i / 3)] = byte[0] / 255;
    }
  }
  return result;
}

/**
 * Resize a map.
 * @param {Float32Array} map (height, width) in [0, 1]
 * @param {{width: number, height: number}} from
 * @param {{width: number, height: number}} to
 * @returns {Float32Array} (height, width)
 */
export function toSize(map, from, to) {
  const across = weightsOf(from.width, to.width);
  const down = weightsOf(from.height, to.height);
  const rows = new Float32Array(from.height * to.width);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < to.width; x++) {
      let sum = 0;
      for (let j = 0; j < across.count[x]; j++) {
        sum += across.shares[x * across.most + j] * map[y * from.width + across.first[x] + j];
      }
      rows[y * to.width + x] = sum;
    }
  }
  const result = new Float32Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      let sum = 0;
      for (let j = 0; j < down.count[y]; j++) {
        sum += down.shares[y * down.most + j] * rows[(down.first[y] + j) * to.width + x];
      }
      result[y * to.width + x] = Math.min(Math.max(sum, 0), 1);
    }
  }
  return result;
}
