// The colour bar, with a mark at the value under the marker; for differences, also a choice of the scale's ends.

import { choice, make, write } from "../dom.js";
import { colourOf, css } from "../numbers/colours.js";
import { number, signed } from "../numbers/format.js";
import { SCALES, valueAt } from "../numbers/layers.js";
import { clamp } from "../numbers/places.js";
import { markerOf } from "../state/marker.js";
import { paletteOf } from "./pictures.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../numbers/layers.js").Layer} Layer
 */

const WORDS = {
  weights: ["ignored", "counts most; 1 is average"],
  saliency: ["background", "object"],
  signed: ["less", "more"],
};

/** @param {Store} store */
export function makeLegend(store) {
  const low = make("span", { class: "end" });
  const high = make("span", { class: "end" });
  const mark = make("i", {});
  const bar = make("div", { class: "bar" }, mark);
  const colours = make("div", { class: "colours" }, low, bar, high);
  const scales = SCALES.map((value) => ({ value: String(value), text: `±${value}` }));
  const scale = choice("Scale", scales, (value) => store.dispatch({ type: "set", changes: { scale: Number(value) } }));
  const opacity = make("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    "aria-label": "How strongly the map covers the photo",
  });
  opacity.addEventListener("input", () => store.dispatch({ type: "set", changes: { opacity: Number(opacity.value) } }));
  const cover = make("label", { class: "opacity" }, make("span", {}, "Photo"), opacity, make("span", {}, "Map"));
  const element = make("div", { class: "legend" }, colours, scale.element, cover);
  /** @type {Layer | null} */
  let shown = null;

  return {
    element,
    /** @param {Layer | null} layer */
    draw(layer) {
      shown = layer;
      const { map, scale: end, opacity: strength } = store.state.scene;
      const hasNoScale = !layer || (map === "result" && !store.state.scene.frames);
      element.classList.toggle("empty", hasNoScale);
      const own =
        store.state.scene.view === "why" || store.state.scene.frames?.some((frame) => frame.map === "explanation");
      scale.element.hidden = layer?.colours !== "signed" || !!own;
      scale.set(String(end));
      opacity.value = String(strength);
      if (!layer) return;
      const stops = Array.from({ length: 17 }, (_, i) => css(colourOf(paletteOf(layer), i / 16, 0, 1)));
      bar.style.background = `linear-gradient(to right, ${stops.join(",")})`;
      const text = (/** @type {number} */ value) =>
        (layer.colours === "signed" ? signed : number)(value, layer.colours === "weights" ? 1 : 2).replace(
          /\.?0+$/,
          "",
        );
      const [less = "", more = ""] = WORDS[layer.colours];
      write(low, `${text(layer.low)} ${less}`);
      write(high, `${text(layer.high)} ${more}`);
    },
    place() {
      const marker = markerOf(store.state, 0);
      mark.hidden = !shown || !marker;
      if (!shown || !marker) return;
      const share = (valueAt(shown, marker.across, marker.down) - shown.low) / (shown.high - shown.low || 1);
      mark.style.left = `${100 * clamp(share, 0, 1)}%`;
    },
  };
}
