// All changes of the state. `reduce` is pure: the same state and action give the same next state.

import vocabulary from "../vocabulary.js";
import { flattened, moved, painted, patched, prompted, withFeedback, withKernels } from "./edits.js";
import { requestKey, sameRequest, stepsOf, VIEWS } from "./scene.js";

/**
 * @typedef {import("./scene.js").State} State
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").Request} Request
 * @typedef {import("./scene.js").Edit} Edit
 * @typedef {{type: string, [field: string]: any}} Action
 */

const MOST_UNDONE = 100;
const MOST_ANSWERS = 60;
/** Start of the tour's Show, of a view, and of a new photo. */
const PLAIN = {
  frames: null,
  zoom: null,
  arrows: false,
  arrangement: /** @type {const} */ ("beside"),
  tool: /** @type {const} */ ("point"),
};
/** Fields that `set` may change. They affect how requests are shown, not the requests. */
const DISPLAY = [
  "map",
  "step",
  "arrangement",
  "wipe",
  "opacity",
  "scale",
  "side",
  "frames",
  "zoom",
  "arrows",
  "tool",
  "kernel",
  "window",
  "present",
  "theme",
]; // prettier-ignore

/**
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export function reduce(state, action) {
  const handler = SCENE_ACTIONS[action.type];
  if (!handler) return (ARRIVALS[action.type] ?? unknown)(state, action);
  const scene = withConsistentFields(state, handler(state.scene, action, state));
  if (scene === state.scene) return state;
  const restart = action.type === "restore" || action.type === "tour" || action.type === "tour-show";
  if (restart) return { ...state, scene, past: [], future: [], gesture: null };
  const sameRequests = scene.slots.every((slot, index) => sameRequest(slot, state.scene.slots[index] ?? null));
  if (sameRequests) return { ...state, scene };
  const goesOn = action.gesture !== undefined && action.gesture === state.gesture;
  const past = goesOn ? state.past : [...state.past, state.scene].slice(-MOST_UNDONE);
  return { ...state, scene, past, future: [], gesture: action.gesture ?? null };
}

/**
 * @param {State} _state
 * @param {Action} action
 * @returns {State}
 */
function unknown(_state, { type }) {
  throw new Error(`There is no action ${type}`);
}

/**
 * Return a scene with consistent fields: steps equal to those trained become null, and in Change a second pass that
 * equals the first is removed.
 * @param {State} state
 * @param {Scene} scene
 * @returns {Scene}
 */
function withConsistentFields(state, scene) {
  const slots = /** @type {Scene["slots"]} */ (scene.slots.map((slot) => slot && plainSteps(state, slot)));
  const [first, second] = slots;
  const secondIsEqual = scene.view === "change" && second && sameRequest(first, second);
  const unchanged = !secondIsEqual && slots.every((slot, index) => slot === scene.slots[index]);
  const result = unchanged
    ? scene
    : { ...scene, slots: /** @type {Scene["slots"]} */ (secondIsEqual ? [first, null] : slots) };
  return result.side === 1 && !result.slots[1] ? { ...result, side: 0 } : result;
}

/**
 * @param {State} state
 * @param {Request} request
 * @returns {Request}
 */
function plainSteps(state, request) {
  const trained = stepsOf(state, { ...request, steps: null });
  return request.steps === trained ? { ...request, steps: null } : request;
}

/**
 * Return the second request of Change; it is made from the first if there is none for this photo and checkpoint.
 * @param {Scene} scene
 * @returns {Request}
 */
function changedRequest({ slots: [first, second] }) {
  return second && second.photo === first.photo && second.checkpoint === first.checkpoint ? second : first;
}

/**
 * @param {Scene} scene
 * @param {(edits: Edit[]) => Edit[]} change
 * @returns {Scene}
 */
function withEdits(scene, change) {
  const request = changedRequest(scene);
  const edits = change(request.edits).slice(0, vocabulary.maxEdits);
  return { ...scene, side: 1, slots: [scene.slots[0], { ...request, edits }] };
}

/**
 * @param {Scene} scene
 * @param {(request: Request, index: number) => Request} change
 * @returns {Scene}
 */
function eachSlot(scene, change) {
  const [first, second] = scene.slots;
  return { ...scene, slots: [change(first, 0), second && change(second, 1)] };
}

/** @type {Record<string, (scene: Scene, action: Action, state: State) => Scene>} */
const SCENE_ACTIONS = {
  view: (scene, { view }, state) => {
    if (!VIEWS.includes(view) || view === scene.view) return scene;
    if (view === "tour") return tourScene(scene, scene.tour.index, state);
    const map = view === "why" ? "photo" : scene.view === "why" ? "result" : shownMap(scene);
    return withExample({ ...scene, ...PLAIN, view, map }, state);
  },

  /** In Compare, each slot has its own photo; elsewhere both slots show the photo of slot 0. */
  photo: (scene, { photo, slot = 0 }, { photos }) => {
    if (!photos.some(({ name }) => name === photo)) return scene;
    const [first, second] = scene.slots;
    if (slot === 1) return { ...scene, slots: [first, { ...(second ?? first), photo }] };
    const together = second && second.photo === first.photo;
    const next = { ...first, photo };
    return {
      ...scene,
      frames: scene.view === "tour" ? scene.frames : null,
      zoom: null,
      x: -1,
      y: -1,
      pinned: false,
      slots: [next, together ? { ...second, photo } : second],
    };
  },

  checkpoint: (scene, { checkpoint, slot = 0 }, { checkpoints }) => {
    if (!checkpoints.some(({ name }) => name === checkpoint)) return scene;
    const [first, second] = scene.slots;
    if (slot === 1) return { ...scene, slots: [first, { ...(second ?? first), checkpoint }] };
    const together = second && second.checkpoint === first.checkpoint;
    return { ...scene, slots: [{ ...first, checkpoint }, together ? { ...second, checkpoint } : second] };
  },

  /** Set T of both passes, or of one. */
  steps: (scene, { steps, slot }) => {
    if (steps !== null && !(Number.isInteger(steps) && steps >= 0 && steps <= vocabulary.maxSteps)) return scene;
    if (slot === 1) return { ...scene, slots: [scene.slots[0], { ...(scene.slots[1] ?? scene.slots[0]), steps }] };
    const frames = scene.view === "tour" ? scene.frames : null;
    return eachSlot({ ...scene, frames }, (request, index) =>
      slot === undefined || slot === index ? { ...request, steps } : request,
    );
  },

  flatten: (scene, { level, at = scene.brush.at }) => withEdits(scene, (edits) => flattened(edits, level, at)),
  feedback: (scene, { block, factor }) => withEdits(scene, (edits) => withFeedback(edits, block, factor)),
  kernels: (scene, { to }) => {
    const map = ["prediction", "conv3", "conv4", "conv5", "change"].includes(scene.map) ? "refined" : scene.map;
    return withEdits({ ...scene, map }, (edits) => withKernels(edits, to)); // only the maps after BRN change
  },
  paint: (scene, { level, mask, strength = scene.brush.strength, at = scene.brush.at }) =>
    withEdits(scene, (edits) => painted(edits, level, { mask, strength, at })),
  prompt: (scene, { prompt }) => withEdits(scene, (edits) => prompted(edits, prompt)),
  patch: (scene, { tap, other }) => withEdits(scene, (edits) => patched(edits, tap, other)),
  /** Set when edits of attention apply: a time step, or null for every one. */
  moment: (scene, { at }) => {
    const next = { ...scene, brush: { ...scene.brush, at } };
    return next.slots[1] ? withEdits(next, (edits) => moved(edits, at)) : next;
  },
  reset: (scene) => ({ ...scene, slots: [scene.slots[0], null], brush: { ...scene.brush, at: null } }),

  second: (scene, { request }) => ({
    ...scene,
    slots: [scene.slots[0], request && { ...(scene.slots[1] ?? scene.slots[0]), ...request }],
  }),
  swap: (scene) => (scene.slots[1] ? { ...scene, slots: [scene.slots[1], scene.slots[0]] } : scene),
  "remove-edits": (scene) => eachSlot(scene, (request) => ({ ...request, edits: [] })),

  /** Choose the map on the stage. */
  select: (scene, { map, step = scene.step }) => ({ ...scene, map, step, frames: null, zoom: null }),
  point: (scene, { x, y }) => (scene.pinned ? scene : { ...scene, x, y }),
  pin: (scene, { x, y, pinned = true }) => ({ ...scene, x, y, pinned }),
  unpin: (scene) => ({ ...scene, pinned: false }),
  set: (scene, { changes }) => {
    const allowed = Object.entries(changes).filter(([field]) => DISPLAY.includes(field));
    return { ...scene, ...Object.fromEntries(allowed) };
  },
  brush: (scene, { changes }) => ({ ...scene, brush: { ...scene.brush, ...changes } }),
  question: (scene, { changes }) => ({ ...scene, question: { ...scene.question, ...changes } }),

  tour: (scene, { index, key }, state) => {
    const at = key === undefined ? index : state.experiments.findIndex((experiment) => experiment.key === key);
    return state.experiments[at] ? tourScene(scene, at, state) : scene;
  },
  "tour-choose": (scene, { choice }) => ({ ...scene, tour: { ...scene.tour, choice } }),
  "tour-show": (scene, { photo }, state) => shownExperiment(scene, state, photo),
  restore: (_, { scene }) => scene,
};

/**
 * Return the map of the picture that the stage shows first, for the views that show one map.
 * @param {Scene} scene
 */
function shownMap({ view, map, frames }) {
  if (view !== "tour") return map;
  const firstMap = frames?.[0]?.map ?? map;
  return ["explanation", "photo"].includes(firstMap) ? "result" : firstMap;
}

/**
 * Choose an example for Compare and Measure if they would be empty; Change edits the shown photo.
 * @param {Scene} scene
 * @param {State} state
 * @returns {Scene}
 */
function withExample(scene, { photos, masks }) {
  const [first, second] = scene.slots;
  const isComparison = second && (second.photo !== first.photo || second.checkpoint !== first.checkpoint);
  if (scene.view === "change" && (isComparison || !second))
    return { ...scene, slots: first.edits.length ? [{ ...first, edits: [] }, first] : [first, null] };
  if (scene.view === "compare" && !second) {
    const example = photos.find((photo) => photo.example && photo.name !== first.photo);
    return example ? { ...scene, slots: [first, { ...first, photo: example.name }] } : scene;
  }
  const firstPhoto = photos.find(({ name }) => name === first.photo);
  if (scene.view !== "measure" || masks[first.photo] || !firstPhoto?.example || firstPhoto.mask) return scene;
  const measured = photos.find(({ mask }) => mask !== null);
  return measured ? { ...scene, slots: [{ ...first, photo: measured.name, edits: [] }, null] } : scene;
}

/**
 * Return the tour at one of its experiments, before Show.
 * @param {Scene} scene
 * @param {number} index
 * @param {State} state
 * @returns {Scene}
 */
function tourScene(scene, index, { experiments }) {
  const experiment = experiments[index];
  if (!experiment) return { ...scene, ...PLAIN, view: "tour" };
  const show = /** @type {{slots: Partial<Request>[]}} */ (/** @type {unknown} */ (experiment.show));
  const photo = show.slots[0]?.photo ?? scene.slots[0].photo;
  const request = { photo, checkpoint: scene.slots[0].checkpoint, steps: null, edits: [] };
  const tour = { index, choice: null, shown: false };
  return {
    ...scene,
    ...PLAIN,
    view: "tour",
    slots: [request, null],
    map: "photo",
    step: 99,
    x: -1,
    y: -1,
    pinned: false,
    kernel: false,
    tour,
  };
}

/**
 * Return the scene of the experiment's effect, on its own photo or another.
 * @param {Scene} scene
 * @param {State} state
 * @param {string} [photo]
 * @returns {Scene}
 */
function shownExperiment(scene, { experiments }, photo) {
  const experiment = experiments[scene.tour.index];
  if (!experiment) return scene;
  const { slots, ...display } = /** @type {{slots: (Partial<Request> | null)[]}} */ (
    /** @type {unknown} */ (experiment.show)
  );
  const { checkpoint } = scene.slots[0];
  const ownPhoto = photo ? { photo } : {};
  const requests = [slots[0], slots[1] ?? null].map(
    (slot) => slot && { photo: scene.slots[0].photo, steps: null, edits: [], ...slot, ...ownPhoto, checkpoint },
  );
  const resetView = photo ? { zoom: null, x: -1, y: -1, pinned: false } : {};
  const tool = photo && (experiment.own === "brush" || experiment.own === "box") ? experiment.own : "point";
  if (tool !== "point") {
    const first = /** @type {Request} */ ({ ...requests[0], edits: [] });
    const map = tool === "brush" ? "conv4" : "result";
    return { ...scene, ...PLAIN, ...resetView, view: "change", slots: [first, null], map, step: 0, tool };
  }
  return {
    ...scene,
    ...PLAIN,
    map: "refined",
    step: 99,
    pinned: false,
    side: 0,
    ...display,
    ...resetView,
    view: "tour",
    slots: /** @type {Scene["slots"]} */ (requests),
    tour: { ...scene.tour, shown: true },
  };
}

/** Changes that are not choices of the user: arriving results, and undo. @type {Record<string, (state: State, action:
Action) => State>} */
const ARRIVALS = {
  undo: (state) => undoOrRedo(state, "past", "future"),
  redo: (state) => undoOrRedo(state, "future", "past"),

  started: (state, { offer }) => ({ ...state, ...offer }),
  "photo-added": (state, { photo }) => ({
    ...state,
    photos: [...state.photos, photo],
    notice: state.notice?.kind === "error" ? null : state.notice, // an old error is about another file
  }),
  "pass-arrived": (state, { request, pass, part }) => {
    const key = requestKey(request);
    const parts = [...new Set([...(state.passes[key]?.parts ?? []), part])];
    return { ...state, passes: { ...state.passes, [key]: { pass, parts, error: null } } };
  },
  "pass-failed": (state, { request, error }) => {
    const key = requestKey(request);
    const arrived = state.passes[key] ?? { pass: null, parts: [] };
    return { ...state, passes: { ...state.passes, [key]: { ...arrived, error } } };
  },
  "passes-kept": (state, { keys }) => ({
    ...state,
    passes: Object.fromEntries(Object.entries(state.passes).filter(([key]) => keys.includes(key))),
  }),
  answer: (state, { type: _, key, ...changes }) => {
    const answer = state.answers[key] ?? { progress: 0, result: null, error: null };
    const answers = Object.entries({ ...state.answers, [key]: { ...answer, ...changes } });
    return { ...state, answers: Object.fromEntries(answers.slice(-MOST_ANSWERS)) };
  },
  mask: (state, { photo, mask }) => ({
    ...state,
    masks: {
      ...state.masks,
      [photo]: { url: typeof URL.createObjectURL === "function" ? URL.createObjectURL(mask.blob) : "", ...mask },
    },
  }),
  batch: (state, { items }) => ({ ...state, batch: items }),
  /** Other numbers are asked for: all pictures are computed again. */
  surveyed: (state, { changes }) => ({
    ...state,
    surveyed: { ...state.surveyed, ...changes },
    batch: state.batch.map((item) => ({ ...item, status: "waiting", table: null, error: null })),
  }),
  running: (state, { keys }) => (keys.join() === state.running.join() ? state : { ...state, running: keys }),
  online: (state, { online }) => (online === state.online ? state : { ...state, online }),
  loading: (state, { loading }) => ({ ...state, loading }),
  notice: (state, { text, kind = "info" }) => ({ ...state, notice: text ? { text, kind } : null }),
};

/**
 * Undo or redo: restore the requests of another scene, but show them as the present scene does.
 * @param {State} state
 * @param {"past" | "future"} from
 * @param {"past" | "future"} to
 * @returns {State}
 */
function undoOrRedo(state, from, to) {
  const scene = state[from].at(-1);
  if (!scene) return state;
  const { slots, brush } = scene;
  return {
    ...state,
    [from]: state[from].slice(0, -1),
    [to]: [...state[to], state.scene],
    gesture: null,
    scene: { ...state.scene, slots, brush, side: slots[1] ? state.scene.side : 0 },
  };
}
