// The page's only store. Nothing else keeps state.

import { NO_CAPABILITIES } from "../engines/engine.js";
import { reduce } from "./actions.js";
import { firstScene } from "./scene.js";

/**
 * @typedef {import("./scene.js").State} State
 * @typedef {import("./actions.js").Action} Action
 * @typedef {(state: State, before: State) => void} Listener
 */

/** @typedef {ReturnType<typeof createStore>} Store */

/** @returns {State} the state before an engine has started */
export function emptyState() {
  return {
    scene: firstScene("", ""),
    past: [],
    future: [],
    gesture: null,
    photos: [],
    checkpoints: [],
    experiments: [],
    capabilities: NO_CAPABILITIES,
    version: "",
    passes: {},
    answers: {},
    masks: {},
    batch: [],
    surveyed: { checkpoint: "", second: null, parts: false },
    online: true,
    running: [],
    notice: null,
    loading: null,
  };
}

/** @param {State} [initial] */
export function createStore(initial = emptyState()) {
  let state = initial;
  /** @type {Set<Listener>} */
  const listeners = new Set();
  /** @type {Action[]} */
  const queue = [];
  let busy = false;

  /**
   * Change the state. An action that a listener dispatches waits until all listeners have received the state before it.
   * @param {Action} action
   */
  function dispatch(action) {
    queue.push(action);
    if (busy) return;
    busy = true;
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const before = state;
        state = reduce(state, next);
        if (state !== before) for (const listener of [...listeners]) listener(state, before);
      }
    } finally {
      busy = false;
      queue.length = 0;
    }
  }

  return {
    /** The state now. It is never changed in place. */
    get state() {
      return state;
    },
    dispatch,
    /**
     * @param {Listener} listener called after every change
     * @returns {() => void} unsubscribes
     */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
