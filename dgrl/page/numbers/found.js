// The found object: its pixels, its box, its outline, its parts, and a mask to paint it.

import { LONGEST_MASK } from "./painting.js";

/** @typedef {import("./painting.js").Mask} Mask */
/** @typedef {[number, number]} Point in shares of the photo's width and height */

/**
 * Return the pixels of a map that are the salient object (dgrl.trace.found_in).
 * @param {Float32Array} map saliency
 * @param {{above: number, least: number}} thresholds a pixel belongs to the object if its saliency is above `above`;
 *   an object smaller than the share `least` of the map does not count
 * @returns {{mask: Uint8Array, share: number}} 1 inside the object; all 0 if there is none
 */
export function foundIn(map, { above, least }) {
  const mask = Uint8Array.from(map, (value) => (value > above ? 1 : 0));
  const share = shareOf(mask);
  return share >= least ? { mask, share } : { mask: mask.fill(0), share: 0 };
}

/**
 * Return the share of a mask's pixels that are not 0.
 * @param {Uint8Array} mask
 */
export function shareOf(mask) {
  let count = 0;
  for (const value of mask) if (value) count += 1;
  return mask.length ? count / mask.length : 0;
}

/**
 * Return the smallest box around a mask's pixels that are not 0.
 * @param {Uint8Array} mask (height, width)
 * @param {number} width
 * @param {number} height
 * @returns {{x0: number, y0: number, x1: number, y1: number} | null} first column and row, and the ones after the last;
 *   null if all pixels are 0
 */
export function boxOf(mask, width, height) {
  const box = { x0: width, y0: height, x1: 0, y1: 0 };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!mask[i]) continue;
      box.x0 = Math.min(box.x0, x);
      box.y0 = Math.min(box.y0, y);
      box.x1 = Math.max(box.x1, x + 1);
      box.y1 = Math.max(box.y1, y + 1);
    }
  }
  return box.x1 ? box : null;
}

/**
 * Return the connected part of a map above a threshold that contains a pixel (dgrl.prompts.part_at). Pixels that share
 * a
 * side are connected.
 * @param {Float32Array} map (height, width)
 * @param {number} width
 * @param {number} height
 * @param {number} x column of the pixel
 * @param {number} y
 * @param {number} above
 * @returns {Uint8Array} (height, width), 1 in the part; all 0 if the pixel is not above the threshold
 */
export function component(map, width, height, x, y, above) {
  const part = new Uint8Array(width * height);
  const start = y * width + x;
  if (!(map[start] > above)) return part;
  part[start] = 1;
  const open = [start];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const column = place % width;
    const neighbours = [column > 0 ? place - 1 : -1, column < width - 1 ? place + 1 : -1, place - width, place + width];
    for (const next of neighbours) {
      if (part[next] !== 0 || !(map[next] > above)) continue;
      part[next] = 1;
      open.push(next);
    }
  }
  return part;
}

/**
 * Return a mask of the places near to where a map is above a threshold, as dgrl.prompts.grown does.
 * @param {Float32Array} map (height, width)
 * @param {number} width
 * @param {number} height
 * @param {number} above
 * @param {number} growth how near, in shares of the photo's sides
 * @param {number} side of the mask
 * @returns {Uint8Array} (side, side), 255 where a pixel above the threshold is near, else 0
 */
export function grown(map, width, height, above, growth, side) {
  // counts[y * (width + 1) + x]: pixels above the threshold among the first x of row y
  const counts = new Int32Array((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      counts[y * (width + 1) + x + 1] = counts[y * (width + 1) + x] + (map[y * width + x] > above ? 1 : 0);
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const column = Math.floor((((i % side) + 0.5) * width) / side);
    const row = Math.floor(((Math.floor(i / side) + 0.5) * height) / side);
    const down = Math.floor(growth * height);
    for (let y = Math.max(row - down, 0); y <= Math.min(row + down, height - 1); y++) {
      const across = Math.floor(width * Math.sqrt(Math.max(growth ** 2 - ((y - row) / height) ** 2, 0)) + 1e-9);
      const [first, last] = [Math.max(column - across, 0), Math.min(column + across + 1, width)];
      if (counts[y * (width + 1) + last] > counts[y * (width + 1) + first]) return 255;
    }
    return 0;
  });
}

/**
 * Return the lines along which a map has the value `above`, interpolated between the pixels' centres (marching
 * squares).
 * Beyond the outermost centres, the map continues unchanged to the photo's sides, where lines end.
 * @param {Float32Array} map (height, width)
 * @param {number} width
 * @param {number} height
 * @param {number} above
 * @returns {Point[][]} each a line through at least two points; a closed line ends with its first point
 */
export function outlineOf(map, width, height, above) {
  const [columns, rows] = [width + 2, height + 2];
  const xs = Float64Array.from({ length: columns }, (_, i) => Math.min(Math.max((i - 0.5) / width, 0), 1));
  const ys = Float64Array.from({ length: rows }, (_, i) => Math.min(Math.max((i - 0.5) / height, 0), 1));
  const values = bordered(map, width, height);
  const inside = Uint8Array.from(values, (value) => (value > above ? 1 : 0));
  /** Where the line crosses an edge of the grid: 2i from corner i to the right, 2i + 1 downwards. @type {(edge: number) => Point} */
  const pointOn = (edge) => {
    const start = edge >> 1;
    const end = edge % 2 ? start + columns : start + 1;
    const share = (above - values[start]) / (values[end] - values[start]);
    const [x, y] = [start % columns, Math.floor(start / columns)];
    return edge % 2 ? [xs[x], ys[y] + share * (ys[y + 1] - ys[y])] : [xs[x] + share * (xs[x + 1] - xs[x]), ys[y]];
  };
  /** @type {Map<number, number[]>} */
  const joined = new Map();
  for (let row = 0; row < rows - 1; row++) {
    for (let column = 0; column < columns - 1; column++) {
      const corner = row * columns + column;
      const count = inside[corner] + inside[corner + 1] + inside[corner + columns] + inside[corner + columns + 1];
      if (count === 0 || count === 4) continue; // true for nearly all squares, and faster than crossings()
      for (const [from, to] of crossings(values, corner, columns, above)) {
        joined.set(from, [...(joined.get(from) ?? []), to]);
        joined.set(to, [...(joined.get(to) ?? []), from]);
      }
    }
  }
  return chains(joined).map((chain) => chain.map(pointOn));
}

/**
 * A map with its outermost pixels repeated around it.
 * @param {Float32Array} map (height, width)
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array} (height + 2, width + 2)
 */
function bordered(map, width, height) {
  const values = new Float32Array((width + 2) * (height + 2));
  for (let row = 0, i = 0; row < height + 2; row++) {
    const y = Math.min(Math.max(row - 1, 0), height - 1);
    for (let column = 0; column < width + 2; column++, i++) {
      values[i] = map[y * width + Math.min(Math.max(column - 1, 0), width - 1)];
    }
  }
  return values;
}

/**
 * Return the pieces of line inside a square of four corners, as pairs of the edges that they cross.
 * @param {Float32Array} values
 * @param {number} corner the square's upper left corner
 * @param {number} columns
 * @param {number} above
 * @returns {[number, number][]}
 */
function crossings(values, corner, columns, above) {
  const corners = [corner, corner + 1, corner + columns + 1, corner + columns];
  const inside = corners.map((place) => values[place] > above);
  const edges = [2 * corner, 2 * (corner + 1) + 1, 2 * (corner + columns), 2 * corner + 1];
  const crossed = edges.filter((_, i) => inside[i] !== inside[(i + 1) % 4]);
  if (crossed.length === 2) return [[crossed[0], crossed[1]]];
  if (crossed.length === 0) return [];
  // Two opposite corners are inside. They are connected if the square's middle is inside too.
  const middle = corners.reduce((sum, place) => sum + values[place], 0) / 4 > above;
  const [top, right, bottom, left] = edges;
  const cutsFirst = inside[0] !== middle;
  return cutsFirst
    ? [
        [left, top],
        [right, bottom],
      ]
    : [
        [top, right],
        [bottom, left],
      ];
}

/**
 * Join pieces into lines: first the open ones, then the closed ones.
 * @param {Map<number, number[]>} joined the one or two neighbours of each edge; is emptied
 * @returns {number[][]}
 */
function chains(joined) {
  const lines = [];
  const ends = [...joined].filter(([, neighbours]) => neighbours.length === 1).map(([edge]) => edge);
  for (const start of [...ends, ...joined.keys()]) {
    if (!joined.has(start)) continue;
    const line = [start];
    /** @type {number | undefined} */
    let edge = start;
    while (edge !== undefined) {
      const neighbours = /** @type {number[]} */ (joined.get(edge));
      joined.delete(edge);
      edge = neighbours.find((neighbour) => joined.has(neighbour));
      if (edge !== undefined) line.push(edge);
      else if (line.length > 2 && neighbours.includes(start)) line.push(start);
    }
    lines.push(line);
  }
  return lines;
}

/**
 * Return a mask of the places where a map is above a threshold, to paint the found object.
 * @param {Float32Array} map
 * @param {{width: number, height: number}} grid the map's size
 * @param {{width: number, height: number}} photo whose proportions the mask gets
 * @param {number} [above]
 * @returns {Mask}
 */
export function objectMask(map, grid, photo, above = 0.5) {
  const factor = LONGEST_MASK / Math.max(photo.width, photo.height);
  const width = Math.max(1, Math.round(photo.width * factor));
  const height = Math.max(1, Math.round(photo.height * factor));
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const column = Math.floor((((i % width) + 0.5) * grid.width) / width);
    const row = Math.floor(((Math.floor(i / width) + 0.5) * grid.height) / height);
    data[i] = map[row * grid.width + column] > above ? 255 : 0;
  }
  return { width, height, data };
}
