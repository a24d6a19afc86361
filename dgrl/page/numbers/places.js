// Conversions between the coordinates of the photo, the screen, RLN's maps and BRN's maps, as in dgrl/places.py.

/** @typedef {{width: number, height: number}} Size */

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * The cell of a grid that covers the centre of a pixel.
 * @param {number} index of the pixel
 * @param {number} length number of pixels
 * @param {number} cells number of cells
 */
export const cellOf = (index, length, cells) => Math.floor(((index + 0.5) * cells) / length);

/**
 * The cell of an attention map whose centre is nearest to a pixel's centre. The centres of the corner cells lie on the
 * photo's corners. A tie goes to the even cell, as in Python's `round`.
 * @param {number} index of the pixel
 * @param {number} length number of pixels
 * @param {number} cells number of cells
 */
export function nearestCell(index, length, cells) {
  const place = ((index + 0.5) / length) * (cells - 1);
  const below = Math.floor(place);
  return place - below === 0.5 ? below + (below % 2) : Math.round(place);
}

/**
 * The pixel in the middle of a cell.
 * @param {number} cell
 * @param {number} cells number of cells
 * @param {number} length number of pixels
 */
export const pixelOf = (cell, cells, length) => clamp(Math.floor(((cell + 0.5) * length) / cells), 0, length - 1);

/**
 * The pixel at a share of the length. Shares below 0 or above 1 give the first or last pixel.
 * @param {number} share
 * @param {number} length number of pixels
 */
export const pixelAt = (share, length) => clamp(Math.floor(share * length), 0, length - 1);

/**
 * Return the pixel that is `steps` cells further, or `steps` pixels further if pixels are larger than cells.
 * @param {number} index of the pixel
 * @param {number} steps may be negative
 * @param {number} length number of pixels
 * @param {number} cells number of cells
 */
export function moved(index, steps, length, cells) {
  if (length <= cells) return clamp(index + steps, 0, length - 1);
  return pixelOf(clamp(cellOf(index, length, cells) + steps, 0, cells - 1), cells, length);
}

/**
 * Return the largest size with the photo's proportions that fits into a space.
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
 * Decide whether pictures stand in a row or in a column, so that the smallest of them is as large as possible.
 * @param {Size[]} photos
 * @param {Size} room space for all of them
 * @param {number} gap between two of them
 * @returns {{direction: "row" | "column", room: Size}} with the space of each picture
 */
export function arranged(photos, room, gap) {
  const count = photos.length;
  if (count < 2) return { direction: "row", room };
  const gaps = gap * (count - 1);
  const row = { width: (room.width - gaps) / count, height: room.height };
  const column = { width: room.width, height: (room.height - gaps) / count };
  /** @param {Size} share */
  const smallest = (share) =>
    Math.min(...photos.map((photo) => fitted(photo, share).width * fitted(photo, share).height));
  return smallest(row) >= smallest(column) ? { direction: "row", room: row } : { direction: "column", room: column };
}
