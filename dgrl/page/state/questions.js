// The question of the view Why in the form for engines, and the key of its answer.

import { markerOf } from "./marker.js";
import { requestKey, shownSlots, stepOf } from "./scene.js";

/** @typedef {import("./scene.js").State} State */

/**
 * Return the question with the marker's place; null until its pass has arrived.
 * @param {State} state
 */
export function questionSent(state) {
  const { scene } = state;
  const marker = markerOf(state, 0);
  if (!marker) return null;
  const step = stepOf(state, shownSlots(scene)[0], scene.step);
  const place = scene.question.target === "object" ? { x: null, y: null } : { x: marker.x, y: marker.y };
  return { ...scene.question, ...place, step };
}

/**
 * @param {State} state
 */
export function explanationKey(state) {
  const { refined, level, ...question } = questionSent(state) ?? { refined: false, level: "" };
  const fields = { ...question, ...(Reflect.get(question, "target") === "cell" ? { level } : { refined }) };
  return `explanation ${JSON.stringify(fields)} ${requestKey(shownSlots(state.scene)[0])}`;
}
