// Requests from the engine whatever the scene shows and has not arrived yet.

import { EngineError, isAbort } from "../engines/engine.js";
import { applicable } from "./edits.js";
import { requestKey, shownSlots, stepsOf } from "./scene.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./scene.js").State} State
 * @typedef {import("./scene.js").Request} Request
 * @typedef {import("../engines/engine.js").Engine} Engine
 */

/** Passes to keep in memory; each has some 30 MB. */
const KEPT = 6;
/** Milliseconds between attempts to reach a lost server. */
const RETRY = 2000;
/** Milliseconds without a change after which a drag counts as ended. */
const REST = 150;
const OFFLINE = "The server does not answer. Trying again …";

/**
 * Return the request for the engine: without edits that have no effect.
 * @param {State} state
 * @param {Request} request
 * @returns {Request}
 */
export const sentRequest = (state, request) => ({
  ...request,
  edits: applicable(request.edits, stepsOf(state, request)),
});

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** Loads the passes of the scene, and the answers that panels request. */
export class Loader {
  /**
   * @param {Store} store
   * @param {Engine} engine
   */
  constructor(store, engine) {
    this.store = store;
    this.engine = engine;
    /** Running computations, by key. @type {Map<string, AbortController>} */
    this.passes = new Map();
    /** @type {Map<string, AbortController>} */
    this.jobs = new Map();
    /** Keys of passes, the most recently shown last. @type {string[]} */
    this.recent = [];
    /** @type {(() => void)[]} */
    this.waiting = [];
    this.draggedAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.resting = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retrying = undefined;
    this.unsubscribe = store.subscribe((state, before) => {
      if (state.gesture && state.scene.slots !== before.scene.slots) this.draggedAt = Date.now();
      if (state.scene !== before.scene || state.photos !== before.photos) this.update();
    });
    this.update();
  }

  /** Request results that are missing and cancel those no longer shown. During a drag, wait until it ends. */
  update() {
    const timeToWait = REST - (Date.now() - this.draggedAt);
    if (timeToWait > 0) {
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.update(), timeToWait);
      return;
    }
    this.resting = undefined;
    const { state } = this.store;
    const requests = shownSlots(state.scene).flatMap((request) => (request?.photo ? [request] : []));
    const shownRequests = new Map(requests.map((request) => [requestKey(request), request]));
    for (const [key, controller] of this.passes) {
      if (shownRequests.has(key)) continue;
      this.passes.delete(key);
      controller.abort();
    }
    this.forgetOld([...shownRequests.keys()]);
    for (const [key, request] of shownRequests) {
      const arrived = this.store.state.passes[key];
      const complete = arrived?.parts.includes("kernels");
      if (!this.passes.has(key) && !complete && !arrived?.error) this.load(key, request);
    }
    this.report();
  }

  /** @param {string[]} shownKeys keys */
  forgetOld(shownKeys) {
    this.recent = [...this.recent.filter((key) => !shownKeys.includes(key)), ...shownKeys].slice(-KEPT);
    const loadedKeys = Object.keys(this.store.state.passes);
    const keys = loadedKeys.filter((key) => this.recent.includes(key));
    if (keys.length < loadedKeys.length) this.store.dispatch({ type: "passes-kept", keys });
  }

  /**
   * @param {string} key
   * @param {Request} request
   */
  async load(key, request) {
    const controller = new AbortController();
    const { signal } = controller;
    this.passes.set(key, controller);
    try {
      const pass = await this.engine.pass(sentRequest(this.store.state, request), {
        until: "kernels",
        signal,
        onPart: (pass, part) => {
          this.store.dispatch({ type: "online", online: true });
          if (!signal.aborted) this.store.dispatch({ type: "pass-arrived", request, pass: { ...pass }, part });
        },
      });
      // A network without BRN has no kernels, but its pass is complete.
      const complete = this.store.state.passes[key]?.parts.includes("kernels");
      if (!signal.aborted && !complete) this.store.dispatch({ type: "pass-arrived", request, pass, part: "kernels" });
    } catch (error) {
      if (!signal.aborted) this.failed(request, error);
    } finally {
      if (this.passes.get(key) === controller) this.passes.delete(key);
      queueMicrotask(() => this.update());
    }
  }

  /**
   * @param {Request} request
   * @param {unknown} error
   */
  failed(request, error) {
    if (error instanceof EngineError && error.kind === "offline") {
      this.store.dispatch({ type: "online", online: false });
      this.store.dispatch({ type: "pass-failed", request, error: OFFLINE });
      clearTimeout(this.retrying);
      this.retrying = setTimeout(() => this.retry(), RETRY);
      return;
    }
    const text = messageOf(error);
    this.store.dispatch({ type: "online", online: true });
    this.store.dispatch({ type: "pass-failed", request, error: text });
    this.store.dispatch({ type: "notice", text, kind: "error" });
  }

  /** Request the failed passes again. */
  retry() {
    const { passes } = this.store.state;
    this.store.dispatch({ type: "passes-kept", keys: Object.keys(passes).filter((key) => !passes[key]?.error) });
    this.update();
    // Without a request, the page would not notice that the server is back.
    if (!this.passes.size) this.store.dispatch({ type: "online", online: true });
    this.report();
  }

  /**
   * Request something else than a pass: an explanation or scores. The answer is stored under `key`.
   * @template T
   * @param {string} key
   * @param {(options: {signal: AbortSignal, onProgress: (share: number) => void}) => Promise<T>} ask
   * @returns {() => void} cancels it
   */
  answer(key, ask) {
    if (this.jobs.has(key) || this.store.state.answers[key]?.result) return () => {};
    const controller = new AbortController();
    this.jobs.set(key, controller);
    this.store.dispatch({ type: "answer", key, progress: 0, result: null, error: null });
    const update = (/** @type {Record<string, unknown>} */ changes) =>
      this.store.dispatch({ type: "answer", key, ...changes });
    ask({ signal: controller.signal, onProgress: (progress) => update({ progress }) })
      .then(
        (result) => update({ result, progress: 1 }),
        (error) => update({ error: isAbort(error) ? "Stopped." : messageOf(error) }),
      )
      .finally(() => {
        this.jobs.delete(key);
        this.report();
      });
    this.report();
    return () => controller.abort();
  }

  report() {
    this.store.dispatch({ type: "running", keys: [...this.passes.keys(), ...this.jobs.keys()] });
    const busy = this.passes.size || this.jobs.size || this.resting !== undefined || !this.store.state.online;
    if (!busy) for (const done of this.waiting.splice(0)) done();
  }

  /**
   * Wait until nothing is being computed.
   * @returns {Promise<void>}
   */
  idle() {
    return new Promise((done) => {
      setTimeout(() => {
        this.waiting.push(done);
        this.report();
      });
    });
  }

  stop() {
    this.unsubscribe();
    clearTimeout(this.resting);
    clearTimeout(this.retrying);
    for (const controller of [...this.passes.values(), ...this.jobs.values()]) controller.abort();
  }
}
