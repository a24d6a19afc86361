// Changes that can be undone, and the alterations that undo and redo go back to.

/** @typedef {import("./altering.js").Altered} Altered */

/** Changes by one handle so close together, in milliseconds, are one: it is dragged. */
const TOGETHER = 700;

/**
 * @param {() => Altered} altered what is altered now
 * @param {(next: Altered) => void} change alters
 */
export function makeUndoing(altered, change) {
  /** @type {Altered[]} */
  let past = [];
  /** @type {Altered[]} */
  let future = [];
  /** @type {Altered | null} before the stroke that is being painted */
  let stroke = null;
  let changedAt = 0;
  /** @type {string | undefined} */
  let changedBy;

  /**
   * @param {Altered[]} from
   * @param {Altered[]} to
   */
  function travel(from, to) {
    const next = from.pop();
    if (!next) return;
    to.push(altered());
    changedBy = undefined;
    change(next);
  }

  return {
    /**
     * @param {Altered} next
     * @param {string} [handle] what is dragged, if anything is
     */
    change(next, handle) {
      const now = performance.now();
      const goesOn = handle !== undefined && handle === changedBy && now - changedAt < TOGETHER;
      if (!goesOn) past.push(altered());
      future = [];
      changedAt = now;
      changedBy = handle;
      change(next);
    },

    /**
     * Before each piece of a stroke, which all together are one change.
     * @param {boolean} done whether it is the last
     */
    paint(done) {
      stroke ??= altered();
      if (!done) return;
      past.push(stroke);
      future = [];
      stroke = null;
      changedBy = undefined;
    },

    undo: () => travel(past, future),
    redo: () => travel(future, past),
    can: () => ({ undo: past.length > 0, redo: future.length > 0 }),

    forget() {
      past = [];
      future = [];
      changedBy = undefined;
    },
  };
}
