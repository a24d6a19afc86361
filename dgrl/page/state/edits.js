// Pure functions that change lists of edits, one for each control.

import vocabulary from "../vocabulary.js";

/** @typedef {import("./scene.js").Edit} Edit */
/** @typedef {import("./scene.js").Request} Request */

const LEVELS = vocabulary.levels.map(({ name }) => name);
const BLOCKS = vocabulary.blocks;
const ATTENTION = ["flatten", "paint", "prompt", "patch"];

/** @type {(name: string, all: string[]) => string[]} */
const namesOf = (name, all) => (name === "all" ? all : [name]);

/**
 * Make attention the same everywhere at a level, or undo that.
 * @param {Edit[]} edits
 * @param {string} level or "all"
 * @param {number | null} at
 */
export function flattened(edits, level, at) {
  const levels = namesOf(level, LEVELS);
  const has = (/** @type {string} */ name) => edits.some((edit) => edit.kind === "flatten" && edit.level === name);
  const otherEdits = edits.filter((edit) => edit.kind !== "flatten" || !levels.includes(edit.level ?? ""));
  if (levels.every(has)) return otherEdits;
  return [...otherEdits, ...levels.map((name) => /** @type {Edit} */ ({ kind: "flatten", level: name, at }))];
}

/**
 * Set the strength of memory between looks; 1 is unchanged.
 * @param {Edit[]} edits
 * @param {string} block or "all"
 * @param {number} factor
 */
export function withFeedback(edits, block, factor) {
  const blocks = namesOf(block, BLOCKS);
  const otherEdits = edits.filter((edit) => edit.kind !== "feedback" || !blocks.includes(edit.block ?? ""));
  if (factor === 1) return otherEdits;
  return [
    ...otherEdits,
    ...blocks.map((name) => /** @type {Edit} */ ({ kind: "feedback", block: name, factor, at: null })),
  ];
}

/**
 * The factor by which the memory that enters a block is multiplied.
 * @param {Edit[]} edits
 * @param {string} block
 */
export const feedbackOf = (edits, block) =>
  edits.find((edit) => edit.kind === "feedback" && edit.block === block)?.factor ?? 1;

/**
 * Choose what sharpens the outlines.
 * @param {Edit[]} edits
 * @param {string} to "own", "mean", "identity" or "unrefined"
 */
export function withKernels(edits, to) {
  const otherEdits = edits.filter(({ kind }) => kind !== "kernels" && kind !== "unrefined");
  if (to === "own") return otherEdits;
  const edit = /** @type {Edit} */ (to === "unrefined" ? { kind: "unrefined" } : { kind: "kernels", to });
  return [...otherEdits, edit];
}

/** @param {Edit[]} edits */
export function kernelsOf(edits) {
  const edit = edits.find(({ kind }) => kind === "kernels" || kind === "unrefined");
  return !edit ? "own" : edit.kind === "unrefined" ? "unrefined" : (edit.to ?? "mean");
}

/**
 * Paint a mask on a level's attention map; an empty mask removes the paint.
 * @param {Edit[]} edits
 * @param {string} level or "all"
 * @param {{mask: string | null, strength: number, at: number | null}} paint
 */
export function painted(edits, level, { mask, strength, at }) {
  const levels = namesOf(level, LEVELS);
  const otherEdits = edits.filter((edit) => edit.kind !== "paint" || !levels.includes(edit.level ?? ""));
  if (mask === null) return otherEdits;
  return [
    ...otherEdits,
    ...levels.map((name) => /** @type {Edit} */ ({ kind: "paint", level: name, strength, mask, at })),
  ];
}

/**
 * Choose an object by a box or a mask; null removes the prompt.
 * @param {Edit[]} edits
 * @param {{box?: number[], mask?: string} | null} prompt
 */
export function prompted(edits, prompt) {
  const otherEdits = edits.filter(({ kind }) => kind !== "prompt");
  return prompt ? [...otherEdits, /** @type {Edit} */ ({ kind: "prompt", ...prompt })] : otherEdits;
}

/**
 * Move edits of attention to another time step.
 * @param {Edit[]} edits
 * @param {number | null} at
 */
export const moved = (edits, at) =>
  edits.map((edit) => (edit.kind === "flatten" || edit.kind === "paint" ? { ...edit, at } : edit));

/**
 * Return the edits that can have an effect in a pass of T steps: a single look has no memory, and edits of later steps
 * do nothing.
 * @param {Edit[]} edits
 * @param {number} steps T
 */
export const applicable = (edits, steps) =>
  edits.filter(({ kind, at, tap }) => {
    if (kind === "feedback") return steps > 0 && (at === null || at === undefined || (at >= 1 && at <= steps));
    if (kind === "patch") return Number(/^rln\.t(\d+)\./.exec(tap ?? "")?.[1] ?? 0) <= steps;
    return at === null || at === undefined || at <= steps;
  });

/**
 * Put the value at a tap that was recorded in another pass; null takes the patch away.
 * @param {Edit[]} edits
 * @param {string} tap
 * @param {{photo?: string, checkpoint?: string} | null} source the pass, where it differs from the edited one
 */
export function patched(edits, tap, source) {
  const otherEdits = edits.filter((edit) => edit.kind !== "patch" || edit.tap !== tap);
  return source ? [...otherEdits, /** @type {Edit} */ ({ kind: "patch", tap, ...source })] : otherEdits;
}

/**
 * The tap of a map that another pass can give.
 * @param {string} map one of the stage's
 * @param {number} t time step
 */
export function tapOf(map, t) {
  const brnTaps = /** @type {Record<string, string>} */ ({ prior: "brn.prior", refined: "brn.refined" });
  if (LEVELS.includes(map)) return `rln.t${t}.${map}.weight_map`;
  return map === "prediction" ? `rln.t${t}.logits` : (brnTaps[map] ?? null);
}

/**
 * What a tap is called.
 * @param {string} [tap]
 */
export function tapName(tap = "") {
  const [, t = "", map = ""] = /^rln\.t(\d+)\.(\w+)/.exec(tap) ?? [];
  const word = vocabulary.levels.find(({ name }) => name === map)?.word;
  if (!t) return tap === "brn.prior" ? "the map before sharpening" : tap === "brn.refined" ? "the final map" : tap;
  return `${word ? `${word} attention` : "the prediction"} of look ${Number(t) + 1}`;
}

/** The names of the photos that a request needs. @param {Request} request */
export const photosOf = ({ photo, edits }) => [photo, ...edits.flatMap((edit) => edit.photo ?? [])];

/** @param {Edit[]} edits */
export const editsAttention = (edits) => edits.some(({ kind }) => ATTENTION.includes(kind));

/**
 * Describe edits in words, for titles and the panel.
 * @param {Edit[]} edits
 */
export function describe(edits) {
  const word = (/** @type {string | undefined} */ name) =>
    vocabulary.levels.find((level) => level.name === name)?.word ?? name ?? "";
  const lookOf = (/** @type {Edit} */ { at }) => (at === null || at === undefined ? "" : ` at look ${at + 1}`);
  const texts = edits.map((edit) => {
    switch (edit.kind) {
      case "flatten":
        return `${word(edit.level)} attention the same everywhere${lookOf(edit)}`;
      case "paint":
        return `${word(edit.level)} attention painted${edit.strength === 0 ? " out" : ""}${lookOf(edit)}`;
      case "prompt":
        return edit.box ? "object chosen by a box" : "object chosen";
      case "feedback":
        return `memory into ${edit.block} ${edit.factor ? `× ${edit.factor}` : "cut"}${lookOf(edit)}`;
      case "kernels":
        return edit.to === "mean" ? "one average kernel" : "kernels that change nothing";
      case "unrefined":
        return "no sharpening";
      case "patch":
        return `${tapName(edit.tap)} taken from ${[edit.photo, edit.checkpoint].filter(Boolean).join(", ")}`;
      default:
        return edit.kind;
    }
  });
  const countIs = (/** @type {string} */ kind, /** @type {number} */ count) =>
    edits.filter((edit) => edit.kind === kind).length === count;
  const short = new Map([
    [countIs("flatten", LEVELS.length), ["attention the same everywhere", / attention the same everywhere/]],
    [
      countIs("feedback", BLOCKS.length) && edits.every((edit) => edit.kind !== "feedback" || !edit.factor),
      ["no memory", /^memory into/],
    ],
  ]);
  const summary = /** @type {[string, RegExp] | undefined} */ (short.get(true));
  if (!summary) return texts.join(", ");
  return [summary[0], ...texts.filter((text) => !summary[1].test(text))].join(", ");
}
