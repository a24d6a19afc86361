// One picture on the stage: a canvas for the photo and its map, a second one for overlays, and a caption.

import { make, write } from "../dom.js";
import { drawOverlay } from "./overlay.js";
import { drawPicture, WHOLE_PHOTO } from "./pictures.js";
import { valueUnder } from "./shown.js";

/**
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("./shown.js").Shown} Shown
 * @typedef {import("../numbers/layers.js").Layer} Layer
 */

const FINEST = 2000;
/** @type {Map<string, HTMLImageElement>} images of photos whose first pass has not arrived, by URL */
const images = new Map();

/** @typedef {ReturnType<typeof makeFrame>} Frame */

export function makeFrame() {
  const canvas = make("canvas", { class: "picture", "aria-hidden": "true" });
  const overlay = make("canvas", { class: "overlay", "aria-hidden": "true" });
  const pendingText = make("p", { class: "pending", hidden: true });
  const title = make("span", { class: "title" });
  const note = make("span", { class: "note" });
  const value = make("output", { class: "value", "aria-live": "off" });
  const caption = make("figcaption", {}, title, note, value);
  const picture = make("div", { class: "pictures" }, canvas, overlay, pendingText);
  const element = make("figure", { class: "frame" }, picture, caption);
  /** @type {{state: State, shown: Shown, difference: Layer | null} | null} */
  let drawn = null;

  /**
   * @param {State} state
   * @param {Shown} shown
   * @param {{width: number, height: number}} size in CSS pixels
   * @param {Layer | null} difference drawn instead of the map
   */
  function draw(state, shown, size, difference) {
    drawn = { state, shown, difference };
    const factor = Math.min(window.devicePixelRatio || 1, FINEST / Math.max(size.width, size.height));
    const [width, height] = [
      Math.max(1, Math.round(size.width * factor)),
      Math.max(1, Math.round(size.height * factor)),
    ];
    for (const layerCanvas of [canvas, overlay]) {
      if (layerCanvas.width !== width || layerCanvas.height !== height) Object.assign(layerCanvas, { width, height });
      layerCanvas.style.width = `${size.width}px`;
      layerCanvas.style.height = `${size.height}px`;
    }
    element.dataset.slot = String(shown.spec.slot);
    element.style.width = `${size.width}px`;
    const layer = difference ?? shown.layer;
    const ready = shown.ready || shown.preview;
    element.classList.toggle("stale", !ready);
    write(pendingText, shown.error ?? "computing …");
    pendingText.hidden = ready;
    if (ready || !canvas.dataset.photo || canvas.dataset.photo !== shown.request.photo) paint(state, shown, layer);
    write(title, shown.title);
    write(note, shown.note);
    caption.hidden = (!shown.title && !shown.note) || difference !== null;
  }

  /**
   * @param {State} state
   * @param {Shown} shown
   * @param {Layer | null} layer
   */
  function paint(state, shown, layer) {
    const { pass, request, spec } = shown;
    const zoom = state.scene.zoom ?? WHOLE_PHOTO;
    const settings = { layer, map: spec.map, opacity: state.scene.opacity, zoom };
    if (pass?.photo) drawPicture(canvas, { photo: pass.photo, size: pass.header.photo, ...settings });
    else if (shown.preview && shown.layer) return;
    else paintImage(state, shown);
    canvas.dataset.photo = request.photo;
  }

  /**
   * Draw the photo without a map, until its first pass has arrived.
   * @param {State} state
   * @param {Shown} shown
   */
  function paintImage(state, { request }) {
    const url = state.photos.find(({ name }) => name === request.photo)?.url;
    if (!url) return;
    const image = imageOf(url);
    const show = () => {
      if (!drawn || drawn.shown.request.photo !== request.photo || drawn.shown.pass) return;
      const size = { width: image.naturalWidth, height: image.naturalHeight };
      drawPicture(canvas, {
        photo: image,
        size,
        layer: null,
        map: "photo",
        opacity: 1,
        zoom: state.scene.zoom ?? WHOLE_PHOTO,
      });
    };
    if (image.complete && image.naturalWidth) show();
    else
      image.addEventListener("load", () => element.dispatchEvent(new CustomEvent("sized", { bubbles: true })), {
        once: true,
      });
  }

  /**
   * Move the marker and write the value under it. This runs with every move of the pointer.
   * @param {State} state
   * @param {import("./overlay.js").Gesture} gesture
   */
  function place(state, gesture) {
    if (!drawn) return;
    drawOverlay(overlay, state, drawn.shown, { zoom: state.scene.zoom ?? WHOLE_PHOTO, gesture });
    const pointed = state.scene.view !== "tour" || state.scene.x >= 0; // in the tour, only if the experiment sets it
    const under = pointed ? valueUnder(state, { ...drawn.shown, layer: drawn.difference ?? drawn.shown.layer }) : null;
    write(value, under?.text ?? "");
  }

  return { element, picture, draw, place };
}

/**
 * Return the image at a URL; it is loaded once.
 * @param {string} url
 */
function imageOf(url) {
  const image = images.get(url) ?? new Image();
  if (!images.has(url)) {
    images.set(url, image);
    image.crossOrigin = "anonymous";
    image.src = url;
  }
  return image;
}

/**
 * Return the size of a photo: from its pass, or from the image that is shown before.
 * @param {State} state
 * @param {Shown} shown
 */
export function sizeOf(state, { pass, request }) {
  if (pass) return pass.header.photo;
  const url = state.photos.find(({ name }) => name === request.photo)?.url ?? "";
  const image = images.get(url);
  return image?.naturalWidth ? { width: image.naturalWidth, height: image.naturalHeight } : { width: 4, height: 3 };
}
