// What undo and redo go back to: the alterations before each change.

/** @typedef {import("./altering.js").Altered} Altered */

/** Changes by one handle so close together, in milliseconds, are one: it is dragged. */
const TOGETHER = 700;

/**
 * @param {() => Altered} altered what is altered now
 */
export function makeUndoing(altered) {
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
    if (!next) return null;
    to.push(altered());
    changedBy = undefined;
    return next;
  }

  return {
    /**
     * Before a change.
     * @param {string} [handle] what is dragged, if anything is
     */
    note(handle) {
      const now = performance.now();
      const goesOn = handle !== undefined && handle === changedBy && now - changedAt < TOGETHER;
      if (!goesOn || !past.length) past.push(altered());
      future = [];
      changedAt = now;
      changedBy = handle;
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

    /** What to go back to, or on to; null where there is nothing. */
    undo: () => travel(past, future),
    redo: () => travel(future, past),
    can: () => ({ undo: past.length > 0, redo: future.length > 0 }),

    forget() {
      past = [];
      future = [];
    },
  };
}
