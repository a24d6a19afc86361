// What a reload of the page keeps. A browser may forbid storage, as in a frame of another site, or have no room left:
// then nothing is kept, and the page works without it.

/**
 * @param {string} key
 * @returns {string | null} null if nothing is kept
 */
export function recall(key) {
  try {
    return window.sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 * @returns {boolean} whether it is kept
 */
export function keep(key, value) {
  try {
    window.sessionStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
