// Overlays of a picture: the marker, the kernel's window and arrows, the brush's mask, the dragged box.

import { contextOf } from "../dom.js";
import { arrowsAlong } from "../numbers/arrows.js";
import { readMask } from "../numbers/masks.js";
import { markerOf } from "../state/marker.js";
import { passIn } from "../state/scene.js";
import { zoomed } from "./pictures.js";
import { kernelUnder } from "./shown.js";

/**
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("./shown.js").Shown} Shown
 * @typedef {import("./pictures.js").Zoom} Zoom
 */

const INK = "rgb(230 159 0 / 55%)";
/**
 * @typedef {Object} Gesture What the pointer is doing.
 * @property {number[] | null} box that is being dragged, in shares of the photo: x0, y0, x1, y1
 * @property {import("../numbers/painting.js").Mask | null} mask what the first stroke has painted up to now
 */

/**
 * @param {HTMLCanvasElement} canvas transparent, over the picture
 * @param {State} state
 * @param {Shown} shown
 * @param {{zoom: Zoom, gesture: Gesture}} place
 */
export function drawOverlay(canvas, state, shown, { zoom, gesture }) {
  const context = contextOf(canvas);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  const fullSize = zoomed(canvas, zoom);
  const ratio = canvas.width / (canvas.clientWidth || canvas.width);
  drawMask(context, state, { mask: gesture.mask ?? paintedMask(shown), fullSize });
  if (state.scene.arrows) drawArrows(context, state, shown, fullSize, ratio);
  drawWindow(context, state, shown, fullSize, ratio);
  if (shown.cells) drawCell(context, state, shown, fullSize, ratio);
  drawBox(context, gesture.box ?? promptBox(shown), fullSize, ratio);
}

/**
 * Return the mask that is painted on the shown map at the shown look, if there is one.
 * @param {Shown} shown
 */
function paintedMask({ spec, request }) {
  const paint = request.edits.find(
    ({ kind, level, at }) => kind === "paint" && level === spec.map && (at ?? spec.step) === spec.step,
  );
  return paint ? readMask(paint.mask) : null;
}

/**
 * Draw the brush's mask on the shown map.
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {{mask: import("../numbers/painting.js").Mask | null, fullSize: {width: number, height: number}}} painted
 */
function drawMask(context, { scene }, { mask, fullSize }) {
  if (!mask || (scene.tool !== "brush" && scene.tool !== "erase")) return;
  const [width, height] = [fullSize.width / mask.width, fullSize.height / mask.height];
  context.fillStyle = INK;
  mask.data.forEach((value, i) => {
    if (value)
      context.fillRect((i % mask.width) * width, Math.floor(i / mask.width) * height, width + 0.5, height + 0.5);
  });
}

/**
 * Draw arrows along the contour that show where kernels take their values from.
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {Shown} shown
 * @param {{width: number, height: number}} whole
 * @param {number} ratio
 */
function drawArrows(context, state, { spec }, whole, ratio) {
  const pass = passIn(state, spec.slot)?.pass;
  if (!pass?.arrays["brn.coefficients"]) return;
  const zoom = state.scene.zoom;
  context.lineWidth = 1.8 * ratio;
  for (const { x, y, dx, dy } of arrowsAlong(pass, zoom)) {
    const from = [x * whole.width, y * whole.height];
    const to = [(x + dx) * whole.width, (y + dy) * whole.height];
    for (const [colour, width] of /** @type {[string, number][]} */ ([
      ["#000", 3.6],
      ["#ffd166", 1.8],
    ])) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      arrow(context, /** @type {[number, number]} */ (from), /** @type {[number, number]} */ (to), 5 * ratio);
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @param {number} head
 */
function arrow(context, [x0, y0], [x1, y1], head) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  for (const side of [-1, 1]) {
    context.moveTo(x1, y1);
    context.lineTo(x1 - head * Math.cos(angle + side * 0.5), y1 - head * Math.sin(angle + side * 0.5));
  }
  context.stroke();
}

/**
 * Draw the marker, and the kernel's window around it if it is large enough to see.
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {Shown} shown
 * @param {{width: number, height: number}} whole
 * @param {number} ratio
 */
function drawWindow(context, state, { spec }, whole, ratio) {
  const marker = markerOf(state, spec.slot);
  if (!marker || (state.scene.x < 0 && !state.scene.kernel)) return;
  const [x, y] = [marker.across * whole.width, marker.down * whole.height];
  const kernel = state.scene.kernel ? kernelUnder(state, spec.slot) : null;
  const pass = passIn(state, spec.slot)?.pass;
  if (kernel && pass) {
    const { brn } = pass.header;
    const half = (kernel.pixel.n - 1) / 2;
    const [cellWidth, cellHeight] = [whole.width / brn.width, whole.height / brn.height];
    const left = (kernel.column - half) * cellWidth;
    const top = (kernel.row - half) * cellHeight;
    outlined(context, ratio, () => context.rect(left, top, kernel.pixel.n * cellWidth, kernel.pixel.n * cellHeight));
    if (cellWidth > 6 * ratio)
      outlined(context, ratio, () =>
        context.rect(kernel.column * cellWidth, kernel.row * cellHeight, cellWidth, cellHeight),
      );
    else outlined(context, ratio, () => context.arc(x, y, 9 * ratio, 0, 2 * Math.PI));
    return;
  }
  const radius = (state.scene.pinned ? 8 : 6) * ratio;
  outlined(context, ratio, () => context.arc(x, y, radius, 0, 2 * Math.PI));
  if (state.scene.pinned) outlined(context, ratio, () => context.arc(x, y, 1.5 * ratio, 0, 2 * Math.PI));
}

/**
 * Draw the outline of the explanation's cell under the marker: the part of the photo that was blurred or hidden.
 * @param {CanvasRenderingContext2D} context
 * @param {State} state
 * @param {Shown} shown
 * @param {{width: number, height: number}} whole
 * @param {number} ratio
 */
function drawCell(context, state, { spec, layer }, whole, ratio) {
  const marker = markerOf(state, spec.slot);
  if (!marker || !layer) return;
  const [width, height] = [whole.width / layer.width, whole.height / layer.height];
  const [column, row] = [Math.floor(marker.across * layer.width), Math.floor(marker.down * layer.height)];
  outlined(context, ratio, () => context.rect(column * width, row * height, width, height));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio
 * @param {() => void} path
 */
function outlined(context, ratio, path) {
  for (const [colour, width] of /** @type {[string, number][]} */ ([
    ["#000", 4],
    ["#fff", 2],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio;
    context.beginPath();
    path();
    context.stroke();
  }
}

/** @param {Shown} shown */
const promptBox = ({ request }) => request.edits.find(({ kind, box }) => kind === "prompt" && box)?.box ?? null;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[] | null} box
 * @param {{width: number, height: number}} whole
 * @param {number} ratio
 */
function drawBox(context, box, whole, ratio) {
  if (!box) return;
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = box;
  context.setLineDash([8 * ratio, 5 * ratio]);
  outlined(context, ratio, () =>
    context.rect(x0 * whole.width, y0 * whole.height, (x1 - x0) * whole.width, (y1 - y0) * whole.height),
  );
  context.setLineDash([]);
}
