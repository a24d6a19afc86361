// Reading arrays whose length is known.

/**
 * An element that is known to be there.
 * @param {ArrayLike<number>} values
 * @param {number} index
 */
export function at(values, index) {
  return /** @type {number} */ (values[index]);
}
