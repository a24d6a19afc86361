// Keyboard shortcuts of the stage, while it has the focus.

import { MAPS } from "../numbers/layers.js";
import { moved } from "../numbers/places.js";
import { markerOf } from "../state/marker.js";
import { passIn, stepOf } from "../state/scene.js";

/** @typedef {import("../state/store.js").Store} Store */

/**
 * Move the marker by cells of BRN's map, and pin it.
 * @param {Store} store
 * @param {number} right
 * @param {number} down
 */
export function moveMarker(store, right, down) {
  const pass = passIn(store.state, 0)?.pass;
  const marker = markerOf(store.state, 0);
  if (!pass || !marker) return;
  const { photo, brn } = pass.header;
  const x = moved(marker.x, right, photo.width, brn.width);
  const y = moved(marker.y, down, photo.height, brn.height);
  store.dispatch({ type: "pin", x, y });
}

/**
 * @param {HTMLElement} room
 * @param {Store} store
 */
export function listenToKeys(room, store) {
  room.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== room) return;
    const action = actionOf(event, store);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/**
 * Let P begin and end present mode, and Escape end it, unless the focus is in a field.
 * @param {HTMLElement} root
 * @param {Store} store
 */
export function listenForPresent(root, store) {
  const { ownerDocument } = root;
  const listen = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const { present } = store.state.scene;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
    if (event.key === "p" || (event.key === "Escape" && present))
      store.dispatch({ type: "set", changes: { present: event.key === "p" && !present } });
  };
  ownerDocument.addEventListener("keydown", listen);
  return () => ownerDocument.removeEventListener("keydown", listen);
}

/**
 * @param {KeyboardEvent} event
 * @param {Store} store
 * @returns {(() => void) | undefined}
 */
function actionOf({ key, shiftKey }, store) {
  const { scene } = store.state;
  const distance = shiftKey ? 10 : 1;
  const set = (/** @type {Record<string, unknown>} */ changes) => () => store.dispatch({ type: "set", changes });
  const opacity = (/** @type {number} */ by) => set({ opacity: Math.min(Math.max(scene.opacity + by, 0), 1) });
  const step = stepOf(store.state, scene.slots[0], scene.step);
  const look = (/** @type {number} */ by) => () =>
    store.dispatch({ type: "select", map: scene.map, step: stepOf(store.state, scene.slots[0], step + by) });
  const pin = () => {
    const marker = markerOf(store.state, 0);
    if (marker) store.dispatch({ type: "pin", x: marker.x, y: marker.y, pinned: !scene.pinned });
  };
  const map = /^\d$/.test(key) ? MAPS[(Number(key) + 9) % 10] : undefined;
  if (map) return () => store.dispatch({ type: "select", map });
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowLeft: () => moveMarker(store, -distance, 0),
    ArrowRight: () => moveMarker(store, distance, 0),
    ArrowUp: () => moveMarker(store, 0, -distance),
    ArrowDown: () => moveMarker(store, 0, distance),
    Enter: pin,
    Escape: () => store.dispatch({ type: "unpin" }),
    ",": look(-1),
    ".": look(1),
    "+": opacity(0.1),
    "-": opacity(-0.1),
    w: set({ arrangement: "wipe" }),
    d: set({ arrangement: "difference" }),
    b: set({ arrangement: "beside" }),
  };
  return actions[key];
}
