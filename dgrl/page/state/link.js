// Writes the scene as a link's query, and reads it. Anyone can write a link, so unknown values are ignored.

import { MAPS, SCALES } from "../numbers/layers.js";
import vocabulary from "../vocabulary.js";
import { reduce } from "./actions.js";
import { ARRANGEMENTS, firstScene, VIEWS } from "./scene.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./scene.js").State} State
 * @typedef {import("./scene.js").Request} Request
 * @typedef {import("./scene.js").Edit} Edit
 */

/** Names of views in links of version 2.0. */
const OLD_VIEWS = /** @type {Record<string, string>} */ ({ detect: "explore", alter: "change", experiments: "tour" });
const LONGEST = 40;

/**
 * The query of a link that shows the same scene.
 * @param {State} state
 */
export function writeLink(state) {
  const { scene } = state;
  const start = startScene(state);
  /** @type {Record<string, unknown>} */
  const query = { view: scene.view };
  if (scene.view === "tour") {
    Object.assign(query, { tour: state.experiments[scene.tour.index]?.key, shown: scene.tour.shown ? 1 : undefined });
  }
  Object.assign(query, slotFields(state), displayFields(scene, start));
  if (scene.view === "why") Object.assign(query, questionFields(scene));
  const filledFields = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return `?${new URLSearchParams(filledFields.map(([key, value]) => [key, String(value)]))}`;
}

/** @param {State} state */
function slotFields(state) {
  const [first, second] = state.scene.slots;
  /** @type {Record<string, unknown>} */
  const query = photoField(state, "", first.photo);
  if (first.checkpoint !== state.checkpoints[0]?.name) query.checkpoint = first.checkpoint;
  if (first.steps !== null) query.T = first.steps;
  if (first.edits.length) query.edits1 = JSON.stringify(first.edits);
  if (!second) return query;
  query.two = 1;
  if (second.photo !== first.photo) Object.assign(query, photoField(state, "2", second.photo));
  if (second.checkpoint !== first.checkpoint) query.checkpoint2 = second.checkpoint;
  if (second.steps !== first.steps) query.T2 = second.steps ?? "trained";
  if (second.edits.length) query.edits = JSON.stringify(second.edits);
  return query;
}

/**
 * Return the photo's field. A user's own photo has its name in the address, for reloads, but is not part of the link.
 * @param {State} state
 * @param {string} mark
 * @param {string} name
 */
function photoField({ photos }, mark, name) {
  const example = photos.find((photo) => photo.name === name)?.example;
  return { [`${example ? "example" : "own"}${mark}`]: name };
}

/**
 * @param {Scene} scene
 * @param {Scene} start
 */
function displayFields(scene, start) {
  const differs = (/** @type {keyof Scene} */ field) => (scene[field] === start[field] ? undefined : scene[field]);
  const { frames, zoom } = scene;
  return {
    map: differs("map"),
    t: differs("step"),
    x: scene.pinned ? scene.x : undefined,
    y: scene.pinned ? scene.y : undefined,
    show: differs("arrangement"),
    opacity: differs("opacity"),
    scale: differs("scale"),
    on: differs("side"),
    frames: frames?.map(({ slot, map, step, title }) => [slot, map, step, title].join("~")).join("|"),
    zoom: zoom
      ? [zoom.x, zoom.y, zoom.width, zoom.height].map((value) => Number(value.toFixed(4))).join(",")
      : undefined,
    arrows: scene.arrows ? 1 : undefined,
    kernel: scene.kernel ? 1 : undefined,
    present: scene.present ? 1 : undefined,
    theme: differs("theme"),
  };
}

/** @param {Scene} scene */
function questionFields({ question: { target, method, level, refined } }) {
  return { target, method, level: target === "cell" ? level : undefined, refined: refined ? 1 : undefined };
}

/**
 * What the page shows without a link.
 * @param {State} state
 */
export const startScene = ({ photos, checkpoints }) => firstScene(photos[0]?.name ?? "", checkpoints[0]?.name ?? "");

/**
 * Return the scene of a link.
 * @param {string} query
 * @param {State} state photos, checkpoints and experiments that are offered
 * @returns {Scene}
 */
export function readLink(query, state) {
  const params = new URLSearchParams(query);
  const viewName = params.get("view") ?? params.get("tab") ?? "";
  const view = oneOf(VIEWS, OLD_VIEWS[viewName] ?? viewName, params.has("tour") ? "tour" : "explore");
  const start = startScene(state);
  const scene = { ...start, view, slots: readSlots(params, state, start.slots[0]) };
  if (view === "tour") return readTour(params, state, scene);
  return { ...scene, ...readDisplay(params, scene), question: readQuestion(params, scene) };
}

/**
 * @template {string | number} T
 * @param {readonly T[]} choices
 * @param {unknown} value
 * @param {T} fallback
 * @returns {T}
 */
const oneOf = (choices, value, fallback) => choices.find((choice) => String(choice) === String(value)) ?? fallback;

/**
 * @param {URLSearchParams} params
 * @param {State} state
 * @param {Request} start
 * @returns {Scene["slots"]}
 */
function readSlots(params, { photos, checkpoints }, start) {
  /** @type {<T>(field: string, other: T) => number | T} */
  const steps = (field, fallback) => {
    const value = Number(params.get(field) ?? Number.NaN);
    return Number.isInteger(value) && value >= 0 && value <= vocabulary.maxSteps ? value : fallback;
  };
  const photo = (/** @type {string} */ mark, /** @type {string} */ fallback) =>
    photos.find(({ name, example }) => name === params.get(`${example ? "example" : "own"}${mark}`))?.name ?? fallback;
  const names = checkpoints.map(({ name }) => name);
  const first = {
    photo: photo("", start.photo),
    checkpoint: oneOf(names, params.get("checkpoint"), start.checkpoint),
    steps: steps("T", null),
    edits: readEdits(params.get("edits1")),
  };
  if (!params.has("two")) return [first, null];
  const second = {
    photo: photo("2", first.photo),
    checkpoint: oneOf(names, params.get("checkpoint2"), first.checkpoint),
    steps: params.get("T2") === "trained" ? null : steps("T2", first.steps),
    edits: readEdits(params.get("edits")),
  };
  return [first, second];
}

/**
 * @param {string | null} text
 * @returns {Edit[]}
 */
function readEdits(text) {
  try {
    const edits = JSON.parse(text ?? "[]");
    const valid = Array.isArray(edits) && edits.every((edit) => Object.hasOwn(vocabulary.edits, edit?.kind));
    return valid ? edits.slice(0, vocabulary.maxEdits) : [];
  } catch {
    return [];
  }
}

/**
 * @param {URLSearchParams} params
 * @param {State} state
 * @param {Scene} scene
 * @returns {Scene}
 */
function readTour(params, state, scene) {
  const key = params.get("tour") ?? state.experiments[0]?.key;
  const at = reduce({ ...state, scene }, { type: "tour", key });
  const photo = scene.slots[0].photo;
  const ownPhoto =
    params.has("own") && state.photos.some(({ name, example }) => name === photo && !example) ? photo : undefined;
  const revealed = params.has("shown") ? reduce(at, { type: "tour-show", photo: ownPhoto }) : at;
  const present = params.has("present");
  return { ...revealed.scene, present, ...(revealed.scene.view === "tour" ? readPixel(params, revealed.scene) : {}) };
}

/**
 * @param {URLSearchParams} params
 * @param {Scene} scene
 */
function readPixel(params, scene) {
  const [x, y] = [Number(params.get("x") ?? Number.NaN), Number(params.get("y") ?? Number.NaN)];
  const valid = Number.isInteger(x) && Number.isInteger(y) && x >= 0 && y >= 0;
  return valid ? { x, y, pinned: true } : { x: scene.x, y: scene.y, pinned: scene.pinned };
}

/**
 * @param {URLSearchParams} params
 * @param {Scene} scene
 * @returns {Partial<Scene>}
 */
function readDisplay(params, scene) {
  const share = (/** @type {string} */ field, /** @type {number} */ fallback) => {
    const value = Number(params.get(field) ?? Number.NaN);
    return value >= 0 && value <= 1 ? value : fallback;
  };
  const step = Number(params.get("t") ?? Number.NaN);
  const showsBoth = params.get("map") === "both"; // in links of version 2.0: before and after BRN
  const bothFrames = [
    { slot: /** @type {const} */ (0), map: "prior", step: 99, title: "before sharpening" },
    { slot: /** @type {const} */ (0), map: "refined", step: 99, title: "after sharpening" },
  ];
  return {
    map: showsBoth ? "refined" : oneOf(MAPS, params.get("map"), scene.map),
    step: Number.isInteger(step) && step >= 0 ? step : scene.step,
    arrangement: oneOf(ARRANGEMENTS, params.get("show"), scene.arrangement),
    opacity: share("opacity", scene.opacity),
    scale: oneOf(SCALES, params.get("scale"), scene.scale),
    side: params.get("on") === "1" && scene.slots[1] ? 1 : 0,
    frames: showsBoth ? bothFrames : readFrames(params.get("frames")),
    zoom: readZoom(params.get("zoom")),
    arrows: params.has("arrows"),
    kernel: params.has("kernel"),
    present: params.has("present"),
    theme: oneOf(/** @type {const} */ (["auto", "light", "dark"]), params.get("theme"), scene.theme),
    ...readPixel(params, scene),
  };
}

/** @param {string | null} text */
function readFrames(text) {
  const frames = (text ?? "").split("|").flatMap((frameText) => {
    const [slot, map = "", step, title = ""] = frameText.split("~");
    if ((slot !== "0" && slot !== "1") || !MAPS.includes(map) || !/^\d{1,2}$/.test(step ?? "")) return [];
    return [{ slot: /** @type {0 | 1} */ (Number(slot)), map, step: Number(step), title: title.slice(0, LONGEST) }];
  });
  return frames.length ? frames.slice(0, 6) : null;
}

/** @param {string | null} text */
function readZoom(text) {
  const [x = 0, y = 0, width = 0, height = 0] = (text ?? "").split(",").map(Number);
  const valid = width > 0 && height > 0 && x >= 0 && y >= 0 && x + width <= 1.0001 && y + height <= 1.0001;
  return valid ? { x, y, width, height } : null;
}

/**
 * @param {URLSearchParams} params
 * @param {Scene} scene
 * @returns {Scene["question"]}
 */
function readQuestion(params, { question }) {
  const names = vocabulary.levels.map(({ name }) => name);
  return {
    target: oneOf(/** @type {const} */ (["pixel", "object", "cell"]), params.get("target"), question.target),
    method: oneOf(
      vocabulary.methods.map(({ name }) => name),
      params.get("method"),
      question.method,
    ),
    level: oneOf(names, params.get("level"), question.level),
    refined: params.has("refined"),
  };
}

/**
 * Return the names of a link's photos that are not on this page.
 * @param {string} query
 * @param {State} state
 */
export function missingPhotos(query, { photos }) {
  const params = new URLSearchParams(query);
  return ["own", "own2"]
    .map((field) => params.get(field))
    .filter((name) => name !== null && !photos.some((photo) => photo.name === name));
}
