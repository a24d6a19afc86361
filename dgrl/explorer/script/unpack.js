// A bundle's bytes to arrays: undoes what dgrl/explorer/packing.py and bundle.py do. docs/bundle.md is the format.

/**
 * @typedef {Object} ArrayEntry What the header says of an array.
 * @property {"words" | "halves" | "decimals" | "file"} coding
 * @property {string} [type] "float32" or "uint32" of words; a file's media type
 * @property {number[]} shape
 * @property {number} offset from the end of the header
 * @property {number} bytes
 * @property {number[]} [parts] lengths of the deflated pieces
 * @property {number} [unit] what a whole number of decimals stands for
 * @property {number} [shift]
 * @property {number[][]} [weights]
 */

/**
 * @typedef {Object} Header
 * @property {string} format
 * @property {string} title
 * @property {string} found
 * @property {{width: number, height: number}} photo the photo's own size, which places are told in
 * @property {{width: number, height: number}} rln
 * @property {{width: number, height: number}} brn
 * @property {number} steps
 * @property {string[]} levels
 * @property {number} kernel_size
 * @property {number} propagations
 * @property {"soft" | "binary"} prior
 * @property {{coefficients: number, sums: number}} decimals
 * @property {Record<string, number>} limits
 * @property {{weights: string, saliency: string, signed: string}} colours
 * @property {Record<string, ArrayEntry>} [arrays]
 */

/**
 * @typedef {Object} Pass One pass, decoded. Who computes a pass in the browser makes this object directly.
 * @property {Header} header
 * @property {CanvasImageSource} photo any picture of the photo, of any size
 * @property {Record<string, Float32Array>} arrays maps by tap name, `rln.t0.saliency`, `brn.round0` (the prior) to
 *   `brn.roundK` (the refined map), `brn.coefficients` (n², H, W), `brn.sums1` to K (3, H, W)
 */

const MAGIC = "DGRLBND1";
const PIECE = 2 ** 20;

/**
 * Read a bundle that holds a whole pass, or all of it but BRN's large arrays.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<Pass>}
 * @throws {Error} it is no bundle, of another format, or without a photo
 */
export async function readBundle(buffer) {
  const { header, photo, arrays } = await readParts(buffer);
  if (!photo) throw new Error("the bundle has no photo");
  return { header, photo, arrays };
}

/**
 * Read a bundle with any of a pass's parts.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<{header: Header, photo: ImageBitmap | null, arrays: Record<string, Float32Array>}>}
 * @throws {Error} it is no bundle, or of another format
 */
export async function readParts(buffer) {
  const bytes = new Uint8Array(buffer);
  if (new TextDecoder("latin1").decode(bytes.subarray(0, 8)) !== MAGIC) throw new Error("this is no bundle of DGRL");
  const length = new DataView(buffer).getUint32(8, true);
  /** @type {Header} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length)));
  if (header.format !== "dgrl-bundle-1") throw new Error(`this bundle's format is ${header.format}`);
  const start = 12 + length;
  const table = header.arrays ?? {};
  /** @param {string} name */
  const cut = (name) => {
    const entry = table[name];
    if (!entry) throw new Error(`the bundle has no ${name}`);
    return { entry, data: bytes.subarray(start + entry.offset, start + entry.offset + entry.bytes) };
  };
  /** @type {Record<string, Float32Array>} */
  const arrays = {};
  const names = Object.keys(table).filter((name) => name !== "photo" && !name.startsWith("brn.exceptions"));
  await Promise.all(
    names.map(async (name) => {
      const { entry, data } = cut(name);
      arrays[name] = numbersOf(entry, await inflate(entry, data));
    }),
  );
  const coefficients = arrays["brn.coefficients"];
  if (table["brn.exceptions.index"] && coefficients) {
    /** @param {"index" | "value"} part */
    const read = async (part) => {
      const { entry, data } = cut(`brn.exceptions.${part}`);
      return join(await inflate(entry, data));
    };
    const [index, value] = await Promise.all([read("index"), read("value")]);
    restore(coefficients, new Uint32Array(index), new Float32Array(value));
  }
  if (!table.photo) return { header, photo: null, arrays };
  const { entry, data } = cut("photo");
  const photo = await createImageBitmap(new Blob([/** @type {BlobPart} */ (data)], { type: entry.type }));
  return { header, photo, arrays };
}

/**
 * @param {ArrayEntry} entry
 * @param {Uint8Array[]} planes
 */
function numbersOf(entry, planes) {
  if (entry.coding === "decimals") return undoDecimals(entry, planes);
  if (entry.coding === "halves") return undoHalves(planes);
  return new Float32Array(join(planes));
}

/**
 * Two planes of bytes as float16.
 * @param {Uint8Array[]} planes lowest bytes first
 */
export function undoHalves([low = new Uint8Array(), high = new Uint8Array()]) {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < table.length; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    table[bits] = bits & 32768 ? -size : size;
  }
  const values = new Float32Array(low.length);
  for (let i = 0; i < values.length; i++) {
    values[i] = /** @type {number} */ (table[/** @type {number} */ (low[i]) | /** @type {number} */ (high[i] << 8)]);
  }
  return values;
}

/**
 * The byte planes of an array's numbers, lowest bytes first: four, or two of halves.
 * @param {ArrayEntry} entry
 * @param {Uint8Array} data
 * @returns {Promise<Uint8Array[]>}
 */
async function inflate(entry, data) {
  const size = entry.shape.reduce((product, side) => product * side, 1);
  const planes = Array.from({ length: entry.coding === "halves" ? 2 : 4 }, () => new Uint8Array(size));
  const pieces = Math.ceil(size / PIECE);
  let start = 0;
  await Promise.all(
    (entry.parts ?? []).map(async (length, i) => {
      const part = data.slice(start, start + length);
      start += length;
      const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate"));
      const piece = new Uint8Array(await new Response(stream).arrayBuffer());
      planes[Math.floor(i / pieces)]?.set(piece, (i % pieces) * PIECE);
    }),
  );
  return planes;
}

/**
 * Four planes of bytes as little-endian words of four bytes.
 * @param {Uint8Array[]} planes
 * @returns {ArrayBuffer}
 */
export function join(planes) {
  const [a, b, c, d] = /** @type {[Uint8Array, Uint8Array, Uint8Array, Uint8Array]} */ (planes);
  const words = new Uint32Array(a.length);
  for (let i = 0; i < words.length; i++) {
    words[i] = a[i] | (b[i] << 8) | (c[i] << 16) | (d[i] << 24);
  }
  return words.buffer;
}

/**
 * The values (k, H, W) of "decimals": what was taken away from each number is put back, in whole numbers.
 * @param {ArrayEntry} entry
 * @param {Uint8Array[]} planes
 * @returns {Float32Array}
 */
export function undoDecimals(entry, planes) {
  const [count = 0, height = 0, width = 0] = entry.shape;
  const { unit = 1, shift = 0, weights = [] } = entry;
  const folded = new Uint32Array(join(planes));
  const whole = new Int32Array(folded.length);
  for (let i = 0; i < whole.length; i++) whole[i] = (folded[i] >>> 1) ^ -(folded[i] & 1);
  restorePlanes(whole, height * width, weights, 2 ** -shift);
  const values = new Float32Array(whole.length);
  for (let row = 0, i = 0; row < count * height; row++) {
    const first = row % height === 0;
    for (let column = 0, sum = 0; column < width; column++, i++) {
      sum += whole[i];
      // The differences down the columns are undone in place, those along the rows by the running sum.
      whole[i] = sum + (first ? 0 : whole[i - width]);
      values[i] = whole[i] * unit;
    }
  }
  return values;
}

/**
 * Add to each plane what the planes before it say of it; block by block, so that the processor's cache holds them.
 * @param {Int32Array} whole is changed
 * @param {number} size of a plane
 * @param {number[][]} weights
 * @param {number} scale
 */
function restorePlanes(whole, size, weights, scale) {
  const predicted = new Float64Array(2048);
  for (let start = 0; start < size; start += predicted.length) {
    const length = Math.min(predicted.length, size - start);
    for (let plane = 1; plane < weights.length; plane++) {
      predicted.fill(0);
      for (let earlier = 0; earlier < plane; earlier++) {
        const share = weights[plane][earlier] * scale;
        const from = earlier * size + start;
        for (let i = 0; i < length; i++) predicted[i] += share * whole[from + i];
      }
      const to = plane * size + start;
      for (let i = 0; i < length; i++) whole[to + i] += Math.floor(predicted[i]);
    }
  }
}

/**
 * Put the numbers whose rounding would show in their places; `steps` are differences of flat indices.
 * @param {Float32Array} values
 * @param {Uint32Array} steps
 * @param {Float32Array} exact
 */
export function restore(values, steps, exact) {
  let place = 0;
  steps.forEach((step, i) => {
    place += step;
    values[place] = exact[i];
  });
}
