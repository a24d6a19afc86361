// The page's whole state in one value: the choices of the user (the scene), and the results that have arrived.

/** @typedef {import("../numbers/pass.js").Pass} Pass */
/** @typedef {import("../engines/engine.js").Photo} Photo */
/** @typedef {import("../engines/engine.js").Checkpoint} Checkpoint */
/** @typedef {import("../engines/engine.js").Capabilities} Capabilities */

/**
 * @typedef {Object} Edit One change made at a tap. vocabulary.json lists the kinds with their fields.
 * @property {"flatten" | "paint" | "prompt" | "feedback" | "kernels" | "unrefined" | "patch"} kind
 * @property {string} [level]
 * @property {string} [block]
 * @property {number | null} [at] time step; null or absent: every one
 * @property {number} [strength]
 * @property {number} [factor]
 * @property {string} [mask] see numbers/masks.js
 * @property {number[]} [box] x0, y0, x1, y1 in shares of the photo
 * @property {string} [to]
 * @property {string} [tap]
 * @property {string} [photo]
 * @property {string} [checkpoint]
 */

/**
 * @typedef {Object} Request One forward pass that an engine is asked for.
 * @property {string} photo name of the photo
 * @property {string} checkpoint
 * @property {number | null} steps T; null for as many as trained
 * @property {Edit[]} edits
 */

/** @typedef {"tour" | "explore" | "change" | "compare" | "why" | "measure" | "batch"} View */

/**
 * @typedef {Object} FrameSpec One picture of several on the stage.
 * @property {0 | 1} slot
 * @property {string} map one of MAPS
 * @property {number} step
 * @property {string} title
 */

/**
 * @typedef {Object} Question
 * @property {"pixel" | "object" | "cell"} target
 * @property {string} method
 * @property {string} level of a cell
 * @property {boolean} refined BRN's evidence instead of RLN's
 */

/**
 * @typedef {Object} Experiment One step of the tour, as dgrl.experiments writes it.
 * @property {string} key
 * @property {string} title
 * @property {string} question
 * @property {string[]} choices
 * @property {number} right index of the right choice
 * @property {string} answer one sentence: what happened, with its numbers
 * @property {string} story what one would expect, and how the photo and the data set differ from that
 * @property {Record<string, unknown>} show what Show changes in the scene: photo, steps, edits, second, frames …
 * @property {{effect: string, unit: string, decimals: number, here: number | null, median: number, values: number[], data: string} | null} sizes
 * @property {"none" | "photo" | "brush" | "box"} own the tool for "on my photo"
 * @property {{values: number[], width: number, height: number, limit: number, label: string} | null} explanation of the
 *   experiment about attention's causes, computed beforehand
 */

/**
 * @typedef {Object} Scene All choices of the user. It fits into a link.
 * @property {View} view
 * @property {[Request, Request | null]} slots original and second
 * @property {string} map one of MAPS
 * @property {number} step
 * @property {number} x the pixel in the first slot's photo; −1 before the user has pointed
 * @property {number} y
 * @property {boolean} pinned the pixel stays while the pointer moves
 * @property {"beside" | "wipe" | "difference" | "alternate"} arrangement of two slots
 * @property {number} wipe where the second picture begins, from 0 to 1
 * @property {number} opacity of the map over the photo
 * @property {number} scale end of the scale of differences
 * @property {0 | 1} side slot whose pipeline and kernel are shown
 * @property {FrameSpec[] | null} frames pictures side by side, instead of the one map of each slot
 * @property {{x: number, y: number, width: number, height: number} | null} zoom part of the photo, in shares
 * @property {boolean} arrows draw where kernels take their values from
 * @property {"point" | "brush" | "erase" | "box" | "click"} tool what the pointer does on the stage
 * @property {{radius: number, strength: number, at: number | null}} brush
 * @property {Question} question
 * @property {{index: number, choice: number | null, shown: boolean}} tour
 * @property {boolean} kernel the details panel shows the kernel
 * @property {string} window which part of the kernel's arithmetic
 * @property {boolean} present
 * @property {"auto" | "light" | "dark"} theme
 */

/**
 * @typedef {Object} Arrived The parts of one request's pass that have arrived.
 * @property {Pass | null} pass
 * @property {string[]} parts "rln", "brn", "kernels"
 * @property {string | null} error why it could not be computed
 */

/**
 * @typedef {Object} BatchItem
 * @property {number} id
 * @property {File | null} file
 * @property {string | null} photo its name, once it is one of the page's photos
 * @property {File | null} mask
 * @property {"waiting" | "running" | "done" | "failed"} status
 * @property {import("../survey/table.js").Table | null} table its numbers
 * @property {string | null} error
 * @property {boolean} example it shows what the view does, until the reader's own photos come
 */

/**
 * @typedef {Object} State
 * @property {Scene} scene
 * @property {Scene[]} past scenes that undo goes back to
 * @property {Scene[]} future
 * @property {string | null} gesture the drag to which the last change belongs
 * @property {Photo[]} photos
 * @property {Checkpoint[]} checkpoints
 * @property {Experiment[]} experiments
 * @property {Capabilities} capabilities
 * @property {string} version
 * @property {Record<string, Arrived>} passes by the key of their request
 * @property {Record<string, {progress: number, result: any, error: string | null}>} answers explanations, scores and
 *   exact pixels by the key of what was asked
 * @property {Record<string, {name: string, blob: Blob, url: string}>} masks own ground truth, by the photo's name
 * @property {BatchItem[]} batch
 * @property {{checkpoint: string, second: string | null, parts: boolean}} surveyed what is measured of them: with which
 *   checkpoints, and whether with what each part does
 * @property {boolean} online false while the server does not answer
 * @property {string[]} running keys of what is being computed
 * @property {{text: string, kind: "info" | "error"} | null} notice
 * @property {{loaded: number, total: number, seconds?: number} | null} loading of the network in the static page: bytes,
 *   and the seconds left
 */

export const VIEWS = /** @type {const} */ (["tour", "explore", "change", "compare", "why", "measure", "batch"]);
export const ARRANGEMENTS = /** @type {const} */ (["beside", "wipe", "difference", "alternate"]);
export const TOOLS = /** @type {const} */ (["point", "brush", "erase", "box", "click"]);

/**
 * @param {string} photo
 * @param {string} checkpoint
 * @returns {Scene}
 */
export function firstScene(photo, checkpoint) {
  return {
    view: "explore",
    slots: [{ photo, checkpoint, steps: null, edits: [] }, null],
    map: "result",
    step: 99,
    x: -1,
    y: -1,
    pinned: false,
    arrangement: "beside",
    wipe: 0.5,
    opacity: 0.8,
    scale: 0.5,
    side: 0,
    frames: null,
    zoom: null,
    arrows: false,
    tool: "point",
    brush: { radius: 0.06, strength: 4, at: null },
    question: { target: "object", method: "occlusion", level: "conv4", refined: false },
    tour: { index: 0, choice: null, shown: false },
    kernel: false,
    window: "coefficients",
    present: false,
    theme: "auto",
  };
}

/**
 * Return the time step that `step` means for a request: 99 stands for the last.
 * @param {State} state
 * @param {Request} request
 * @param {number} step
 */
export const stepOf = (state, request, step) => Math.max(0, Math.min(step, stepsOf(state, request)));

/**
 * T of a request.
 * @param {Pick<State, "checkpoints">} state
 * @param {Request} request
 */
export function stepsOf({ checkpoints }, { steps, checkpoint }) {
  return steps ?? checkpoints.find(({ name }) => name === checkpoint)?.steps ?? 2;
}

/**
 * Return a request's key. Equal requests have equal keys, in any order of their edits' fields.
 * @param {Request} request
 */
export function requestKey({ photo, checkpoint, steps, edits }) {
  const sorted = edits.map((edit) => {
    const filledFields = Object.entries(edit).filter(([, value]) => value !== null && value !== undefined);
    return JSON.stringify(Object.fromEntries(filledFields.sort(([a], [b]) => (a < b ? -1 : 1))));
  });
  return JSON.stringify([photo, checkpoint, steps, sorted.sort()]);
}

/** @type {(one: Request | null, other: Request | null) => boolean} */
export const sameRequest = (first, second) =>
  first === second || (first !== null && second !== null && requestKey(first) === requestKey(second));

/**
 * Return the requests that the stage shows in the present view; the second is null if the view only uses the first.
 * @param {Scene} scene
 * @returns {[Request, Request | null]}
 */
export function shownSlots({ view, slots }) {
  return ["change", "compare", "tour"].includes(view) ? slots : [slots[0], null];
}

/**
 * Return the slot whose maps and numbers the panels show: the chosen one, or the first if only that is on the stage.
 * @param {Scene} scene
 * @returns {0 | 1}
 */
export const shownSide = (scene) => (shownSlots(scene)[scene.side] ? scene.side : 0);

/**
 * Return the parts of a slot's pass that have arrived.
 * @param {State} state
 * @param {0 | 1} slot
 * @returns {Arrived | null} null if nothing has, or the slot is empty
 */
export function passIn(state, slot) {
  const request = shownSlots(state.scene)[slot];
  return request ? (state.passes[requestKey(request)] ?? null) : null;
}

/**
 * The pictures on the stage.
 * @param {State} state
 * @returns {FrameSpec[]}
 */
export function framesOf(state) {
  const { scene } = state;
  const slots = shownSlots(scene);
  const inView = (scene.frames ?? []).flatMap((frame) => {
    const request = slots[frame.slot];
    return request ? [{ ...frame, step: stepOf(state, request, frame.step) }] : [];
  });
  if (inView.length) return inView;
  const names = slotNames(state);
  return /** @type {(0 | 1)[]} */ ([0, 1]).flatMap((slot) => {
    const request = slots[slot];
    if (!request) return [];
    const title = slots[1] ? names[slot] : "";
    return [{ slot, map: scene.map, step: stepOf(state, request, scene.step), title }];
  });
}

/**
 * Return the names of two passes: what they differ in.
 * @param {State} state
 * @returns {[string, string]}
 */
export function slotNames(state) {
  const [first, second] = state.scene.slots;
  if (!second) return [first.photo, ""];
  if (second.photo !== first.photo) return [first.photo, second.photo];
  if (second.checkpoint !== first.checkpoint) return [first.checkpoint, second.checkpoint];
  const cut = (/** @type {Request} */ { edits }) => edits.some(({ kind, factor }) => kind === "feedback" && !factor);
  if (first.edits.length && cut(first) !== cut(second))
    return cut(first) ? ["memory cut", "with memory"] : ["with memory", "memory cut"];
  return first.edits.length ? ["first", "second"] : ["original", "changed"];
}
