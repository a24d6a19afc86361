// Reads a bundle: the bytes of a pass, or of some of its parts, as dgrl/bundle.py writes them (format: docs/bundle.md).

/** @typedef {import("../numbers/pass.js").ArrayEntry} ArrayEntry */
/** @typedef {import("../numbers/pass.js").Arrays} Arrays */
/** @typedef {import("../numbers/pass.js").Header} Header */
/** @typedef {import("../numbers/pass.js").Pass} Pass */

const MAGIC = "DGRLBND2";
const FORMAT = "dgrl-bundle-2";
/** Bytes of a plane that are compressed together. */
const PIECE = 2 ** 20;

/**
 * Read a bundle that has at least a photo.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<Pass>}
 * @throws {Error} the bytes are not a bundle of this format, or it has no photo
 */
export async function readBundle(buffer) {
  const { header, photo, arrays } = await readParts(buffer);
  if (!photo) throw new Error("the bundle has no photo");
  return { header, photo, arrays };
}

/**
 * Read a bundle with any parts of a pass.
 * @param {ArrayBuffer} buffer
 * @returns {Promise<{header: Header, photo: ImageBitmap | null, arrays: Arrays}>}
 * @throws {Error} the bytes are not a bundle of this format
 */
export async function readParts(buffer) {
  const bytes = new Uint8Array(buffer);
  const magic = new TextDecoder("latin1").decode(bytes.subarray(0, 8));
  if (magic !== MAGIC) throw new Error(`these bytes are not a bundle that begins with ${MAGIC}`);
  const length = new DataView(buffer).getUint32(8, true);
  /** @type {Header} */
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length)));
  if (header.format !== FORMAT) throw new Error(`the bundle's format is ${header.format} instead of ${FORMAT}`);
  const start = 12 + length;
  /** @type {Arrays} */
  const arrays = {};
  /** @type {ImageBitmap | null} */
  let photo = null;
  await Promise.all(
    Object.entries(header.arrays ?? {}).map(async ([name, entry]) => {
      const data = bytes.subarray(start + entry.offset, start + entry.offset + entry.bytes);
      if (entry.coding === "file") photo = await createImageBitmap(new Blob([data], { type: entry.type }));
      else arrays[name] = await numbersOf(entry, data);
    }),
  );
  return { header, photo, arrays };
}

/**
 * The numbers of an array.
 * @param {ArrayEntry} entry
 * @param {Uint8Array<ArrayBuffer>} data
 */
export async function numbersOf(entry, data) {
  const words = joinPlanes(await inflate(entry, data));
  return entry.coding === "steps" ? undoSteps(entry, words) : new Float32Array(words.buffer);
}

/**
 * Return whole multiples of a unit from the codes of their differences along the rows, then along the columns.
 * @param {ArrayEntry} entry
 * @param {Uint32Array} codes
 */
function undoSteps({ shape: [, height, width], unit = 1 }, codes) {
  const steps = new Int32Array(codes.length);
  const values = new Float32Array(codes.length);
  for (let start = 0; start < codes.length; start += width) {
    const first = (start / width) % height === 0;
    for (let i = start, sum = 0; i < start + width; i++) {
      sum += (codes[i] >>> 1) ^ -(codes[i] & 1);
      steps[i] = sum + (first ? 0 : steps[i - width]);
      values[i] = steps[i] * unit;
    }
  }
  return values;
}

/**
 * Return the four byte planes of an array's words, lowest byte first.
 * @param {ArrayEntry} entry
 * @param {Uint8Array<ArrayBuffer>} data
 * @returns {Promise<Uint8Array[]>}
 */
async function inflate({ shape, parts = [] }, data) {
  const size = shape.reduce((product, side) => product * side, 1);
  const planes = Array.from({ length: 4 }, () => new Uint8Array(size));
  const pieces = Math.ceil(size / PIECE);
  let start = 0;
  await Promise.all(
    parts.map(async (length, i) => {
      const part = data.subarray(start, start + length);
      start += length;
      const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate"));
      const piece = new Uint8Array(await new Response(stream).arrayBuffer());
      planes[Math.floor(i / pieces)].set(piece, (i % pieces) * PIECE);
    }),
  );
  return planes;
}

/**
 * Join four byte planes to little-endian words.
 * @param {Uint8Array[]} planes
 * @returns {Uint32Array<ArrayBuffer>}
 */
function joinPlanes([a, b, c, d]) {
  const words = new Uint32Array(a.length);
  for (let i = 0; i < words.length; i++) words[i] = a[i] | (b[i] << 8) | (c[i] << 16) | (d[i] << 24);
  return words;
}
