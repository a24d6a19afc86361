// A place carried between photo, screen, RLN's grids and BRN's. The Python side does the same in dgrl.places.

/** @typedef {{width: number, height: number}} Size */

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * The cell of a grid that covers the photo's pixel at `index` of `length` pixels.
 * @param {number} index
 * @param {number} length
 * @param {number} cells
 */
export const cellOf = (index, length, cells) => Math.floor(((index + 0.5) * cells) / length);

/**
 * The cell of a weight map whose centre is nearest to that of the photo's pixel at `index`; corner cells' centres lie on
 * the photo's corners. Between two of them the even one is taken, as Python rounds.
 * @param {number} index
 * @param {number} length
 * @param {number} cells
 */
export function nearestCell(index, length, cells) {
  const place = ((index + 0.5) / length) * (cells - 1);
  const below = Math.floor(place);
  return place - below === 0.5 ? below + (below % 2) : Math.round(place);
}

/**
 * The photo's pixel in the middle of a cell.
 * @param {number} cell
 * @param {number} cells
 * @param {number} length
 */
export const pixelOf = (cell, cells, length) => clamp(Math.floor(((cell + 0.5) * length) / cells), 0, length - 1);

/**
 * The photo's pixel at a share of its length, from 0 to 1; places beyond the sides are on them.
 * @param {number} share
 * @param {number} length
 */
export const pixelAt = (share, length) => clamp(Math.floor(share * length), 0, length - 1);

/**
 * The pixel that comes `steps` cells of a grid further, or as many pixels where those are larger than the cells.
 * @param {number} index
 * @param {number} steps
 * @param {number} length
 * @param {number} cells
 */
export function moved(index, steps, length, cells) {
  if (length <= cells) return clamp(index + steps, 0, length - 1);
  return pixelOf(clamp(cellOf(index, length, cells) + steps, 0, cells - 1), cells, length);
}

/**
 * The largest size of these proportions that fits.
 * @param {Size} photo
 * @param {Size} room
 * @returns {Size} whole pixels, at least 1
 */
export function fitted(photo, room) {
  const factor = Math.min(room.width / photo.width, room.height / photo.height);
  return {
    width: Math.max(1, Math.round(photo.width * factor)),
    height: Math.max(1, Math.round(photo.height * factor)),
  };
}

/**
 * How to lay out two pictures so that the smaller one is as large as it can be.
 * @param {Size[]} photos
 * @param {Size} room
 * @param {number} gap
 * @returns {{direction: "row" | "column", room: Size}} the room of each
 */
export function arranged(photos, room, gap) {
  if (photos.length < 2) return { direction: "row", room };
  const row = { width: (room.width - gap) / 2, height: room.height };
  const column = { width: room.width, height: (room.height - gap) / 2 };
  /** @param {Size} share */
  const smallest = (share) =>
    Math.min(...photos.map((photo) => fitted(photo, share).width * fitted(photo, share).height));
  return smallest(row) >= smallest(column) ? { direction: "row", room: row } : { direction: "column", room: column };
}
