// Measure: the result's scores against a ground-truth mask.

import { button, fill, make, write } from "../dom.js";
import { number } from "../numbers/format.js";
import { sentRequest } from "../state/loader.js";
import { requestKey } from "../state/scene.js";
import { PICTURES } from "./photo_picker.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../state/loader.js").Loader} Loader
 */

const LOWER = "MAE";

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{loader: Loader}} page
 */
export function mountMeasure(element, store, { loader }) {
  const input = make("input", { type: "file", accept: PICTURES, hidden: true, "data-testid": "mask" });
  const choose = button("Add a mask …", () => input.click(), { class: "primary" });
  const stretch = make("input", { type: "checkbox", checked: true, change: () => ask(store.state) });
  const hint = make("p", {});
  const maskImage = make("img", { class: "mask", alt: "The ground-truth mask" });
  const status = make("p", { role: "status" });
  const table = make("table", { class: "values", tabindex: 0, "data-testid": "scores" });
  const files = make("p", { class: "row" });
  element.append(
    make("header", {}, make("h2", {}, "Measure")),
    hint,
    make("div", { class: "row" }, choose, input),
    maskImage,
    make("label", { class: "check" }, stretch, "Stretch each map to 0 to 1 first, as published evaluations do"),
    status,
    table,
    make("p", { class: "quiet" }, "For MAE, lower is better. For all other scores, higher is better."),
    files,
  );
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) addMask(file);
    input.value = "";
  });

  /** @param {File} file the mask of the shown photo */
  function addMask(file) {
    store.dispatch({ type: "mask", photo: store.state.scene.slots[0].photo, mask: { name: file.name, blob: file } });
  }

  /** @param {State} state */
  const keyOf = (state) => {
    const ownMask = state.masks[state.scene.slots[0].photo];
    return `scores ${stretch.checked} ${ownMask ? `${ownMask.name} ${ownMask.blob.size}` : ""} ${requestKey(state.scene.slots[0])}`;
  };

  /** @param {State} state */
  function ask(state) {
    const { photo } = state.scene.slots[0];
    const mask = state.masks[photo] ?? state.photos.find(({ name }) => name === photo)?.mask;
    if (!mask || state.scene.view !== "measure") return;
    loader.answer(keyOf(state), async ({ signal }) => {
      const mask = /** @type {Blob} */ (await maskOf(state));
      return loader.engine.measure(sentRequest(state, state.scene.slots[0]), mask, {
        stretch: stretch.checked,
        signal,
      });
    });
    draw(store.state);
  }

  /** @param {State} state */
  function draw(state) {
    const { photo } = state.scene.slots[0];
    const ownMask = state.masks[photo];
    const url = state.photos.find(({ name }) => name === photo)?.mask ?? null;
    write(
      hint,
      ownMask || url
        ? `The mask of “${photo}”${ownMask ? `: ${ownMask.name}` : ""}.`
        : "Add a ground-truth mask (object in white) to score the result.",
    );
    write(choose, ownMask || url ? "Another mask …" : "Add a mask …");
    maskImage.hidden = !ownMask && !url;
    const address = ownMask ? ownMask.url : url;
    if (address && maskImage.getAttribute("src") !== address) maskImage.src = address;
    const answer = ownMask || url ? state.answers[keyOf(state)] : undefined;
    write(status, answer?.error ?? (answer && !answer.result ? "Measuring …" : ""));
    const scores = /** @type {Record<string, Record<string, number>>} */ (answer?.result?.scores ?? {});
    fill(table, scores, () => scoreRows(scores));
    fill(files, answer?.result?.files ?? [], () =>
      (answer?.result?.files ?? []).map((/** @type {{url: string, name: string, label: string}} */ file) =>
        make("a", { class: "button", href: file.url, download: file.name }, file.label),
      ),
    );
  }

  const stop = store.subscribe((state, before) => {
    if (state.scene.view !== "measure") return;
    if (state.scene !== before.scene || state.masks !== before.masks) ask(state);
    draw(state);
  });
  draw(store.state);
  return { stop, give: addMask };
}

/**
 * Return the mask of the shown photo.
 * @param {State} state
 */
async function maskOf(state) {
  const name = state.scene.slots[0].photo;
  const ownMask = state.masks[name];
  if (ownMask) return ownMask.blob;
  const url = state.photos.find((photo) => photo.name === name)?.mask;
  return url ? (await fetch(url)).blob() : null;
}

/** @param {Record<string, Record<string, number>>} scores */
function scoreRows(scores) {
  const maps = Object.keys(scores);
  const metrics = Object.keys(scores[maps[0] ?? ""] ?? {});
  const title = (/** @type {string} */ map) =>
    /^t\d+$/.test(map) ? `look ${Number(map.slice(1)) + 1}` : map === "refined" ? "BRN" : map;
  const head = make("tr", {}, make("td", {}), ...maps.map((map) => make("th", { scope: "col" }, title(map))));
  const rows = metrics.map((metric) => {
    const values = maps.map((map) => scores[map]?.[metric] ?? Number.NaN);
    const best = metric === LOWER ? Math.min(...values) : Math.max(...values);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, metric),
      ...values.map((value) => make("td", { class: value === best ? "best" : "" }, number(value, 3))),
    );
  });
  return maps.length ? [head, ...rows] : [];
}
