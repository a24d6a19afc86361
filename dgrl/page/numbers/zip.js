// Makes a ZIP file in the browser. Files are stored uncompressed, because PNGs are compressed already.

const LARGEST = 0xffffffff;
const UTF8 = 0x0800;
const VERSION = 20;
const CHECKS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let check = -1;
  for (const byte of bytes) check = /** @type {number} */ (CHECKS[(check ^ byte) & 0xff]) ^ (check >>> 8);
  return ~check >>> 0;
}

/**
 * Write numbers as ZIP needs them: lowest byte first.
 * @param {[number, number][]} fields each number with its bytes, 2 or 4
 */
function packed(fields) {
  const bytes = new DataView(new ArrayBuffer(fields.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of fields) {
    if (size === 2) bytes.setUint16(at, value, true);
    else bytes.setUint32(at, value, true);
    at += size;
  }
  return bytes.buffer;
}

/** @param {Date} [now] the time of all files */
export function makeZip(now = new Date()) {
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  /** @type {(ArrayBuffer | Uint8Array<ArrayBuffer>)[]} */
  const parts = [];
  /** @type {(ArrayBuffer | Uint8Array<ArrayBuffer>)[]} */
  const directory = [];
  let length = 0;
  let listing = 0;
  let count = 0;

  /**
   * @param {string} name
   * @param {ArrayBuffer} content
   * @returns {boolean} whether the file fits: ZIP holds at most 4 GB
   */
  function add(name, content) {
    const title = new TextEncoder().encode(name);
    const size = content.byteLength;
    if (length + listing + size + 1000 > LARGEST) return false;
    /** @type {[number, number][]} */
    const fields = [
      [VERSION, 2],
      [UTF8, 2],
      [0, 2],
      [time, 2],
      [day, 2],
      [crc32(new Uint8Array(content)), 4],
      [size, 4],
      [size, 4],
      [title.length, 2],
      [0, 2],
    ];
    const head = packed([[0x04034b50, 4], ...fields]);
    const entry = packed([[0x02014b50, 4], [VERSION, 2], ...fields, [0, 2], [0, 2], [0, 2], [0, 4], [length, 4]]);
    parts.push(head, title, content);
    directory.push(entry, title);
    length += head.byteLength + title.length + size;
    listing += entry.byteLength + title.length;
    count += 1;
    return true;
  }

  function blob() {
    const end = packed([
      [0x06054b50, 4],
      [0, 2],
      [0, 2],
      [count, 2],
      [count, 2],
      [listing, 4],
      [length, 4],
      [0, 2],
    ]);
    return new Blob([...parts, ...directory, end], { type: "application/zip" });
  }

  return { add, blob, count: () => count };
}
