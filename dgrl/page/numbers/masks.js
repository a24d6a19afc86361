// Masks as text, for links and requests: WIDTHxHEIGHT:RUNS, as in dgrl/edit_fields.py.

/** @typedef {import("./painting.js").Mask} Mask */

const LONGEST = 256;

/** @param {Mask} mask */
export function writeMask({ width, height, data }) {
  const runs = [];
  let length = 0;
  let painted = false;
  for (const value of data) {
    if (value > 127 !== painted) {
      runs.push(length);
      length = 0;
      painted = !painted;
    }
    length += 1;
  }
  return `${width}x${height}:${[...runs, length].map((run) => run.toString(36)).join(".")}`;
}

/**
 * @param {unknown} text
 * @returns {Mask | null} null if the text is not a mask; links can contain anything
 */
export function readMask(text) {
  const match = /^(\d{1,3})x(\d{1,3}):([0-9a-z]{1,4}(?:\.[0-9a-z]{1,4})*)$/.exec(String(text));
  if (!match) return null;
  const [width, height] = [Number(match[1]), Number(match[2])];
  const runs = (match[3] ?? "").split(".").map((run) => Number.parseInt(run, 36));
  const size = width * height;
  if (!size || Math.max(width, height) > LONGEST || runs.reduce((sum, run) => sum + run, 0) !== size) return null;
  const data = new Uint8Array(size);
  let start = 0;
  runs.forEach((run, i) => {
    if (i % 2) data.fill(255, start, start + run);
    start += run;
  });
  return { width, height, data };
}
