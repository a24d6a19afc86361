// The pointer on the stage: it selects or pins a pixel, paints, drags a box, or moves the wipe.

import { readMask, writeMask } from "../numbers/masks.js";
import { emptyMask, stroke } from "../numbers/painting.js";
import { clamp } from "../numbers/places.js";
import { pixelAtShare } from "../state/marker.js";
import { passIn } from "../state/scene.js";
import { clickPrompt } from "./prompting.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("./frame.js").Frame} Frame
 * @typedef {{slot: 0 | 1, share: [number, number], inside: boolean}} Place in shares of the photo
 * @typedef {import("../numbers/painting.js").Mask} Mask
 * @typedef {{setGesture: (gesture: import("./overlay.js").Gesture) => void}} Painted the stage while it is painted on
 * @typedef {{last: [number, number], gesture: string, mask: Mask | null}} Drag `mask` is that of a first stroke
 */

/** Boxes smaller than this, in shares of the photo, count as clicks. */
const SMALLEST_BOX = 0.02;

/**
 * @param {HTMLElement} room
 * @param {Store} store
 * @param {{frames: () => Frame[], setGesture: (gesture: import("./overlay.js").Gesture) => void}} stage
 */
export function listenToPointer(room, store, stage) {
  /** @type {Drag & {kind: "paint" | "box", from: [number, number], frame: Frame} | null} */
  let drag = null;
  let strokes = 0;

  /**
   * @param {PointerEvent | MouseEvent} event
   * @param {Frame} [dragFrame] the frame in which a drag began
   * @returns {Place | null}
   */
  function placeUnder(event, dragFrame) {
    const frame =
      dragFrame ?? stage.frames().find(({ picture }) => picture.contains(/** @type {Node} */ (event.target)));
    if (!frame) return null;
    const box = frame.picture.getBoundingClientRect();
    const zoom = store.state.scene.zoom ?? { x: 0, y: 0, width: 1, height: 1 };
    const across = zoom.x + ((event.clientX - box.left) / box.width) * zoom.width;
    const down = zoom.y + ((event.clientY - box.top) / box.height) * zoom.height;
    const inside = across >= 0 && across < 1 && down >= 0 && down < 1;
    return { slot: frame.element.dataset.slot === "1" ? 1 : 0, share: [across, down], inside };
  }

  room.addEventListener("pointerdown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const place = placeUnder(event);
    const frame = stage.frames().find(({ picture }) => picture.contains(target));
    const { tool } = store.state.scene;
    if (event.button !== 0 || !place || !frame || target.closest(".handle")) return;
    if (tool === "point" || tool === "click") return;
    event.preventDefault();
    room.setPointerCapture(event.pointerId);
    strokes += 1;
    const kind = tool === "box" ? "box" : "paint";
    drag = { kind, from: place.share, last: place.share, gesture: `stroke ${strokes}`, mask: null, frame };
    if (kind === "paint") paint(store, stage, drag, place.share);
  });

  room.addEventListener("pointermove", (event) => {
    const place = placeUnder(event, drag?.frame);
    if (!place) return;
    if (drag?.kind === "paint") paint(store, stage, drag, place.share);
    else if (drag) stage.setGesture({ box: boxOf(drag.from, place.share), mask: null });
    else if (event.pointerType === "mouse" && place.inside) {
      const pixel = pixelAtShare(store.state, place.slot, place.share);
      if (pixel) store.dispatch({ type: "point", ...pixel });
    }
  });

  const release = (/** @type {PointerEvent} */ event) => {
    const place = drag && placeUnder(event, drag.frame);
    if (drag?.kind === "box" && place && event.type === "pointerup") {
      const box = boxOf(drag.from, place.share);
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = box;
      if (x1 - x0 > SMALLEST_BOX && y1 - y0 > SMALLEST_BOX) store.dispatch({ type: "prompt", prompt: { box } });
      else clickPrompt(store, place.share);
    }
    if (drag?.mask && event.type === "pointerup") givePaint(store, drag, drag.mask);
    stage.setGesture({ box: null, mask: null });
    drag = null;
  };
  room.addEventListener("pointerup", release);
  room.addEventListener("pointercancel", release);

  room.addEventListener("click", (event) => {
    const place = placeUnder(event);
    const { tool } = store.state.scene;
    if (!place?.inside || /** @type {HTMLElement} */ (event.target).closest(".handle")) return;
    if (tool === "click") clickPrompt(store, place.share);
    if (tool !== "point") return;
    const pixel = pixelAtShare(store.state, place.slot, place.share);
    if (!pixel) return;
    const { x, y, pinned } = store.state.scene;
    store.dispatch({ type: "pin", ...pixel, pinned: !(pinned && x === pixel.x && y === pixel.y) });
  });
}

/**
 * @param {[number, number]} from
 * @param {[number, number]} to
 */
function boxOf(from, to) {
  const [x0 = 0, x1 = 0] = [from[0], to[0]].map((value) => clamp(value, 0, 1)).sort((a, b) => a - b);
  const [y0 = 0, y1 = 0] = [from[1], to[1]].map((value) => clamp(value, 0, 1)).sort((a, b) => a - b);
  return [x0, y0, x1, y1].map((value) => Number(value.toFixed(4)));
}

/**
 * Continue a stroke of the brush on the shown attention map. It only changes the second pass. The first stroke, which
 * makes that pass, is given at its end: its picture would push the first one away from under the pointer.
 * @param {Store} store
 * @param {Painted} stage
 * @param {Drag} drag
 * @param {[number, number]} share
 */
function paint(store, stage, drag, share) {
  const { state } = store;
  const { scene } = state;
  const pass = passIn(state, 0)?.pass;
  if (!pass?.header.levels.includes(scene.map)) return;
  const before = scene.slots[1]?.edits.find(({ kind, level }) => kind === "paint" && level === scene.map);
  const mask = drag.mask ?? (before && readMask(before.mask)) ?? emptyMask(pass.header.photo);
  stroke(mask, drag.last, share, scene.brush.radius, scene.tool === "erase" ? 0 : 255);
  drag.last = share;
  if (scene.slots[1]) return givePaint(store, drag, mask);
  drag.mask = mask;
  stage.setGesture({ box: null, mask });
}

/**
 * @param {Store} store
 * @param {Drag} drag
 * @param {Mask} mask
 */
function givePaint(store, { gesture }, mask) {
  const text = mask.data.some(Boolean) ? writeMask(mask) : null;
  store.dispatch({ type: "paint", level: store.state.scene.map, mask: text, gesture });
}

/**
 * @param {HTMLElement} handle
 * @param {Store} store
 */
export function listenToWipe(handle, store) {
  let held = false;
  const move = (/** @type {number} */ wipe) => store.dispatch({ type: "set", changes: { wipe: clamp(wipe, 0, 1) } });
  handle.addEventListener("pointerdown", (event) => {
    held = true;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    const box = handle.parentElement?.getBoundingClientRect();
    if (held && box) move((event.clientX - box.left) / box.width);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    handle.addEventListener(name, () => {
      held = false;
    });
  }
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(store.state.scene.wipe + step);
  });
}
