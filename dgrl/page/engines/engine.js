// The interface of engines, which compute for the page. There are four: server.js (the app), browser.js (the static
// page), kernel.js (a notebook with a running kernel) and stored.js (stored passes).

/**
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {import("../state/scene.js").Request} Request
 * @typedef {import("../state/scene.js").Question} Question
 */

/**
 * @typedef {Object} Photo
 * @property {string} name unique on the page; scenes and links refer to the photo by it
 * @property {boolean} example whether it ships with DGRL, so that links can name it
 * @property {string} thumbnail URL
 * @property {string} url of the photo, to show it before its first pass has arrived
 * @property {string | null} mask URL of its ground truth
 */

/**
 * @typedef {Object} Checkpoint
 * @property {string} name
 * @property {number} steps T as trained
 */

/**
 * @typedef {Object} Start What an engine offers.
 * @property {Photo[]} photos
 * @property {Checkpoint[]} checkpoints
 * @property {import("../state/scene.js").Experiment[]} experiments
 * @property {string} version
 */

/**
 * @typedef {Object} Capabilities What works with this engine; the page hides or explains the rest.
 * @property {boolean} passes new forward passes: other photos, edits, steps
 * @property {boolean} upload own photos
 * @property {string[]} methods of `explain`; empty if there are none
 * @property {boolean} measure
 * @property {boolean} report a zip file with every number and picture
 * @property {boolean} survey every number of `dgrl survey`; else those that the browser computes
 * @property {boolean} matting files with edges as fine as the photo's own
 */

/**
 * @typedef {Object} Explanation Which parts of the photo caused a value.
 * @property {{values: Float32Array, width: number, height: number}} map positive for, negative against
 * @property {number} limit end of the colour scale
 * @property {string} label of the colour scale
 * @property {string} words the answer in sentences
 * @property {Faithfulness | null} faithfulness
 * @property {number} seconds
 */

/**
 * @typedef {Object} Faithfulness How well the explanation agrees with the network (see dgrl.attribution.faithfulness).
 * @property {string} words
 * @property {number} deletion area under the curve
 * @property {number} insertion
 * @property {number} random the same area with the parts in random order
 * @property {number} sensitivity correlation with the explanation of a randomised network; near 0 is good
 * @property {{deletion: number[], insertion: number[]}} curves
 */

/**
 * @typedef {Object} Scores
 * @property {Record<string, Record<string, number>>} scores by map ("t0", "t1" …, "refined") and metric
 * @property {boolean} stretched
 * @property {{label: string, url: string, name: string}[]} files
 */

/**
 * @typedef {Object} PassOptions
 * @property {"rln" | "brn" | "kernels"} [until] the last part that is needed; everything by default
 * @property {(pass: Pass, part: "rln" | "brn" | "kernels") => void} [onPart] called with the pass so far
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {Object} Engine
 * @property {"server" | "browser" | "kernel" | "stored"} kind
 * @property {Capabilities} capabilities known once `start` has resolved
 * @property {(onProgress?: (loaded: number, total: number, seconds?: number) => void) => Promise<Start>} start
 *   `onProgress` receives the loaded bytes, and the seconds left if they can be estimated
 * @property {{add(blob: Blob, name: string, signal?: AbortSignal): Promise<Photo>}} photos
 * @property {(request: Request, options?: PassOptions) => Promise<Pass>} pass
 * @property {(request: Request, x: number, y: number, signal?: AbortSignal) => Promise<number[] | null>} pixel the n²
 *   coefficients with all digits, or null if the pass has them already
 * @property {(request: Request, question: Question, options: {onProgress: (share: number) => void, signal: AbortSignal})
 *   => Promise<Explanation>} explain
 * @property {(request: Request, mask: Blob, options: {stretch: boolean, signal?: AbortSignal}) => Promise<Scores>} measure
 * @property {(request: Request, options: {second: string | null, mask: File | null, parts: boolean}) =>
 *   Promise<import("../survey/table.js").Table>} survey one picture's table; `second` is a checkpoint to compare with
 * @property {(request: Request, signal?: AbortSignal) => Promise<{url: string, name: string}>} report
 * @property {(request: Request, kind: "map" | "cutout", options?: {matting?: boolean, signal?: AbortSignal}) => Promise<Blob>} file PNG
 *   in the photo's size
 */

/**
 * What the page can do before an engine has started, and with stored passes alone.
 * @type {Engine["capabilities"]}
 */
export const NO_CAPABILITIES = {
  passes: false,
  upload: false,
  methods: [],
  measure: false,
  report: false,
  survey: false,
  matting: false,
};

/** @typedef {"offline" | "photo-gone" | "refused" | "aborted"} ErrorKind */

/** An error with a sentence for the user. */
export class EngineError extends Error {
  /**
   * @param {ErrorKind} kind "offline": no server answers, try again later; "photo-gone": the server no longer has the
   *   photo; "refused": the request is not possible, and the message says why
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Say whether an error only means that the caller has cancelled.
 * @param {unknown} error
 */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";
