// Asks the engine for what the scene shows and has not arrived yet, and only for that.

import { EngineError, isAbort } from "../engines/engine.js";
import { applicable } from "./edits.js";
import { requestKey, shownSlots, stepsOf } from "./scene.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./scene.js").State} State
 * @typedef {import("./scene.js").Request} Request
 * @typedef {import("../engines/engine.js").Engine} Engine
 */

/** Passes that stay in memory; one has some 30 MB. */
const KEPT = 6;
/** Milliseconds between attempts to reach a lost server. */
const RETRY = 2000;
/** Milliseconds without a change after which a drag has come to rest; before, only RLN's part of a pass is asked for. */
const REST = 300;

/**
 * The request as an engine is asked: without edits that have nothing to change.
 * @param {State} state
 * @param {Request} request
 * @returns {Request}
 */
export const sentRequest = (state, request) => ({
  ...request,
  edits: applicable(request.edits, stepsOf(state, request)),
});

/**
 * Keep the passes of the scene coming.
 * @param {Store} store
 * @param {Engine} engine
 */
export function startLoader(store, engine) {
  /** @type {Map<string, AbortController>} */
  const running = new Map();
  /** @type {Map<string, Promise<unknown>>} */
  const jobs = new Map();
  /** @type {string[]} keys, the latest shown last */
  let recent = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retrying;
  /** @type {(() => void)[]} */
  const waiting = [];
  let draggedAt = 0;

  /** Ask for what is missing, stop what is no longer shown. */
  function update() {
    const { state } = store;
    const requests = shownSlots(state.scene).filter((request) => request !== null && request.photo !== "");
    const wanted = new Map(requests.map((request) => [requestKey(/** @type {Request} */ (request)), request]));
    recent = [...recent.filter((key) => !wanted.has(key)), ...wanted.keys()].slice(-KEPT);
    for (const [key, controller] of running) if (!wanted.has(key) && !jobs.has(key)) controller.abort();
    const extra = Object.keys(state.passes).filter((key) => !recent.includes(key) && state.passes[key]?.pass);
    if (extra.length) store.dispatch({ type: "passes-kept", keys: Object.keys(state.passes).filter((key) => !extra.includes(key)) });
    for (const [key, request] of wanted) {
      const known = state.passes[key];
      if (!running.has(key) && !known?.parts.includes("kernels") && !known?.error) {
        load(key, /** @type {Request} */ (request));
      }
    }
    report();
  }

  /**
   * @param {string} key
   * @param {Request} request
   */
  async function load(key, request) {
    const controller = new AbortController();
    running.set(key, controller);
    const { signal } = controller;
    try {
      const settled = Date.now() - draggedAt > REST;
      await engine.pass(sentRequest(store.state, request), {
        until: settled ? "kernels" : "rln",
        signal,
        onPart: (pass, part) => {
          store.dispatch({ type: "online", online: true });
          if (!signal.aborted) store.dispatch({ type: "pass-arrived", request, pass: { ...pass }, part });
        },
      });
      if (!settled) await pause(REST);
    } catch (error) {
      failed(request, error);
    } finally {
      running.delete(key);
      queueMicrotask(update);
    }
  }

  /**
   * @param {Request} request
   * @param {unknown} error
   */
  function failed(request, error) {
    if (isAbort(error)) return;
    if (error instanceof EngineError && error.kind === "offline") {
      store.dispatch({ type: "online", online: false });
      retry();
      store.dispatch({ type: "pass-failed", request, error: "The server does not answer. Trying again …" });
      return;
    }
    const text = error instanceof Error ? error.message : String(error);
    store.dispatch({ type: "pass-failed", request, error: text });
    store.dispatch({ type: "notice", text, kind: "error" });
  }

  /** Try again in a moment: forget which passes failed. */
  function retry() {
    clearTimeout(retrying);
    retrying = setTimeout(() => {
      const { passes } = store.state;
      const sound = Object.keys(passes).filter((key) => !passes[key]?.error);
      store.dispatch({ type: "passes-kept", keys: sound });
      update();
    }, RETRY);
  }

  /**
   * Have the engine answer something else than a pass: an explanation, scores. The answer is kept under `key`; a newer job
   * of the same kind stops the older one.
   * @template T
   * @param {string} key
   * @param {(options: {signal: AbortSignal, onProgress: (share: number) => void}) => Promise<T>} ask
   * @returns {() => void} stops it
   */
  function answer(key, ask) {
    const known = store.state.answers[key];
    if (jobs.has(key) || known?.result) return () => {};
    const controller = new AbortController();
    running.set(key, controller);
    store.dispatch({ type: "answer", key, progress: 0, result: null, error: null });
    const options = {
      signal: controller.signal,
      onProgress: (/** @type {number} */ progress) => store.dispatch({ type: "answer", key, progress }),
    };
    const job = ask(options)
      .then(
        (result) => store.dispatch({ type: "answer", key, result, progress: 1 }),
        (error) => {
          const text = isAbort(error) ? "Stopped." : error instanceof Error ? error.message : String(error);
          store.dispatch({ type: "answer", key, error: text });
        },
      )
      .finally(() => {
        jobs.delete(key);
        running.delete(key);
        report();
      });
    jobs.set(key, job);
    report();
    return () => controller.abort();
  }

  function report() {
    store.dispatch({ type: "running", keys: [...running.keys()] });
    if (running.size || retryingNow()) return;
    for (const done of waiting.splice(0)) done();
  }

  const retryingNow = () => !store.state.online;

  /** Resolve when nothing is computing. */
  const idle = () =>
    new Promise((/** @type {(value: void) => void} */ done) => {
      setTimeout(() => {
        waiting.push(done);
        report();
      });
    });

  const stop = store.subscribe((state, before) => {
    if (state.gesture && state.scene.slots !== before.scene.slots) draggedAt = Date.now();
    if (state.scene !== before.scene || state.photos !== before.photos) update();
  });
  update();
  return { answer, idle, stop, engine };
}

/** @typedef {ReturnType<typeof startLoader>} Loader */

/** @param {number} time milliseconds */
const pause = (time) => new Promise((done) => setTimeout(done, time));
