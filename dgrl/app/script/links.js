// What somebody looks at as the query of a link, and back. Links are written by anybody: what is not offered is dropped.

import { clamp } from "../../explorer/script/places.js";

/**
 * @typedef {Object} Edit See dgrl/explorer/edits.py.
 * @property {"flatten" | "paint" | "feedback" | "kernels" | "unrefined"} kind
 * @property {string} [level]
 * @property {string} [block]
 * @property {number | null} [at]
 * @property {number} [strength]
 * @property {number} [factor]
 * @property {string} [mask]
 * @property {string} [to]
 */

/**
 * @typedef {Object} Photo
 * @property {string} name
 * @property {string} path on the server
 * @property {boolean} example
 * @property {string | null} mask its ground truth on the server
 * @property {string} thumbnail
 */

/**
 * @typedef {Object} Wish A pass that somebody wants to look at.
 * @property {Photo} photo
 * @property {string} checkpoint
 * @property {number | null} steps null for as many as trained
 * @property {Edit[]} edits
 */

/**
 * @typedef {Object} Scene Everything that a link holds.
 * @property {string} tab
 * @property {Wish} first
 * @property {Wish | null} second
 * @property {Record<string, any>} view what the explorer shows
 * @property {{target: string, method: string, refined: boolean, level: string}} why
 */

export const TABS = ["detect", "explore", "alter", "compare", "why", "measure", "batch", "experiments"];
export const TARGETS = ["pixel", "object", "cell"];
export const METHODS = ["grad_cam", "occlusion", "integrated_gradients"];
const VIEW = {
  x: "x",
  y: "y",
  t: "step",
  map: "map",
  opacity: "opacity",
  show: "arrangement",
  scale: "scale",
  on: "slot",
};
const MOST_EDITS = 64;

/**
 * The query of a link.
 * @param {Scene} scene
 * @param {Scene} start what a link without a query shows
 */
export function writeLink(scene, start) {
  const { first, second, view, why, tab } = scene;
  /** @type {Record<string, unknown>} */
  const said = { tab, ...photoNamed("", first.photo) };
  if (first.checkpoint !== start.first.checkpoint) said.checkpoint = first.checkpoint;
  if (first.steps !== null) said.T = first.steps;
  if (first.edits.length) said.edits1 = JSON.stringify(first.edits);
  if (second) {
    said.two = 1;
    if (second.photo !== first.photo) Object.assign(said, photoNamed("2", second.photo));
    if (second.checkpoint !== first.checkpoint) said.checkpoint2 = second.checkpoint;
    if (second.steps !== first.steps) said.T2 = second.steps ?? "trained";
    if (second.edits.length) said.edits = JSON.stringify(second.edits);
  }
  for (const [short, name] of Object.entries(VIEW)) {
    const value = view[name];
    const moved = name === "x" || name === "y" ? view.pinned : value !== start.view[name];
    if (moved && value !== undefined) said[short] = typeof value === "number" ? Number(value.toFixed(3)) : value;
  }
  if (view.present) said.present = 1;
  if (tab === "why") Object.assign(said, { target: why.target, method: why.method });
  if (tab === "why" && why.refined) said.refined = 1;
  if (tab === "why" && why.target === "cell") said.level = why.level;
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`;
}

/**
 * A visitor's own photo has its name in the address, for a reload of the page; the photo itself is in no link.
 * @param {string} mark
 * @param {Photo} photo
 */
const photoNamed = (mark, photo) => ({ [`${photo.example ? "example" : "own"}${mark}`]: photo.name });

/**
 * Whether a link was made with a photo that is not here.
 * @param {string} query
 * @param {Photo[]} photos
 */
export function lacksPhoto(query, photos) {
  const said = new URLSearchParams(query);
  return ["own", "own2"].some((key) => said.has(key) && !photos.some(({ name }) => name === said.get(key)));
}

/**
 * What a link asks for.
 * @param {string} query
 * @param {Scene} start
 * @param {{photos: Photo[], checkpoints: string[], mostSteps: number}} offered
 * @returns {Scene}
 */
export function readLink(query, start, offered) {
  const said = new URLSearchParams(query);
  /** @type {<T>(key: string, choices: T[], other: T) => T} */
  const among = (key, choices, other) => choices.find((choice) => String(choice) === said.get(key)) ?? other;
  /** @type {<T>(key: string, other: T) => number | T} */
  const steps = (key, other) => {
    const value = Number(said.get(key) ?? Number.NaN);
    return Number.isInteger(value) && value >= 0 && value <= offered.mostSteps ? value : other;
  };
  /** @type {(mark: string, other: Photo) => Photo} */
  const photo = (mark, other) =>
    offered.photos.find(({ name, example }) => name === said.get(`${example ? "example" : "own"}${mark}`)) ?? other;
  /** @type {Wish} */
  const first = {
    photo: photo("", start.first.photo),
    checkpoint: among("checkpoint", offered.checkpoints, start.first.checkpoint),
    steps: steps("T", null),
    edits: readEdits(said.get("edits1")),
  };
  /** @type {Wish | null} */
  const second = said.has("two")
    ? {
        photo: photo("2", first.photo),
        checkpoint: among("checkpoint2", offered.checkpoints, first.checkpoint),
        steps: said.get("T2") === "trained" ? null : steps("T2", first.steps),
        edits: readEdits(said.get("edits")),
      }
    : null;
  const view = { ...start.view };
  for (const [short, name] of Object.entries(VIEW)) {
    const value = said.get(short);
    if (value === null || value.length > 20) continue;
    view[name] = typeof start.view[name] === "string" ? value : Number(value);
  }
  view.pinned = said.has("x") && said.has("y");
  view.present = said.has("present");
  const why = {
    target: among("target", TARGETS, start.why.target),
    method: among("method", METHODS, start.why.method),
    refined: said.has("refined"),
    level: among("level", ["conv3", "conv4", "conv5"], start.why.level),
  };
  return { tab: among("tab", TABS, start.tab), first, second, view, why };
}

/**
 * The view of a scene, its time step one that the passes of the scene have: links without a step mean the last one.
 * @param {Scene} scene
 * @param {(checkpoint: string) => number} trained time steps T of a checkpoint
 * @returns {Scene["view"]}
 */
export function withinSteps({ first, second, view }, trained) {
  const counts = [first, ...(second ? [second] : [])].map(({ steps, checkpoint }) => steps ?? trained(checkpoint));
  const last = Math.max(...counts);
  return { ...view, step: Number.isInteger(view.step) ? clamp(view.step, 0, last) : last };
}

/**
 * @param {string | null} text
 * @returns {Edit[]}
 */
function readEdits(text) {
  try {
    const found = JSON.parse(text ?? "[]");
    const kinds = ["flatten", "paint", "feedback", "kernels", "unrefined"];
    const sound = Array.isArray(found) && found.every((edit) => kinds.includes(edit?.kind));
    return sound ? found.slice(0, MOST_EDITS) : [];
  } catch {
    return [];
  }
}
