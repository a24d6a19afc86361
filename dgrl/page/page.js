// The page: one store, one engine, and the panels around the stage. The app, the static site, reports and notebooks mount
// the same page with another engine.

import { button, make, write } from "./dom.js";
import { keepFocus } from "./focus.js";
import { makeArrangement } from "./panels/arrangement.js";
import { mountBatch } from "./panels/batch.js";
import { mountChange } from "./panels/change.js";
import { mountCompare } from "./panels/compare.js";
import { mountDetails } from "./panels/details.js";
import { mountHeader } from "./panels/header.js";
import { mountMeasure } from "./panels/measure.js";
import { isPicture, listenForFiles, mountPhotoPicker } from "./panels/photo_picker.js";
import { mountPipeline } from "./panels/pipeline.js";
import { mountTour } from "./panels/tour.js";
import { mountWhy } from "./panels/why.js";
import { listenForPresent } from "./stage/keys.js";
import { pixelKey, shownValues } from "./stage/shown.js";
import { mountStage } from "./stage/stage.js";
import { Loader } from "./state/loader.js";
import { markerOf } from "./state/marker.js";
import { shownSlots } from "./state/scene.js";
import { createStore } from "./state/store.js";

/**
 * @typedef {import("./engines/engine.js").Engine} Engine
 * @typedef {import("./state/store.js").Store} Store
 * @typedef {import("./state/scene.js").State} State
 */

/** Bytes after which the remaining time can be estimated. */
const MEASURABLE = 500_000;
const SENTENCE = "DGRL finds the object that stands out in a photo, and shows how it was found.";

/**
 * Start an engine and show the page.
 * @param {HTMLElement} root
 * @param {Engine} engine
 * @param {{begin?: (store: Store) => void}} [options] `begin` restores a scene, once the engine's offer is known
 */
export async function mountPage(root, engine, { begin } = {}) {
  const store = createStore();
  root.classList.add("dgrl");
  root.dataset.engine = engine.kind;
  const offer = await engine.start((loaded, total, seconds) =>
    store.dispatch({ type: "loading", loading: loaded < total ? { loaded, total, seconds } : null }),
  );
  store.dispatch({ type: "started", offer: { ...offer, capabilities: engine.capabilities } });
  const { photos, checkpoints } = store.state;
  const { scene } = store.state;
  const slots = [{ ...scene.slots[0], photo: photos[0]?.name ?? "", checkpoint: checkpoints[0]?.name ?? "" }, null];
  store.dispatch({ type: "restore", scene: { ...scene, slots } });
  begin?.(store);
  const loader = new Loader(store, engine);
  const stop = build(root, store, loader);
  return { store, loader, stop, ...hooks(store, loader) };
}

/**
 * Functions for tests and tools.
 * @param {Store} store
 * @param {Loader} loader
 */
const hooks = (store, loader) => ({
  scene: () => store.state.scene,
  dispatch: store.dispatch,
  idle: () => loader.idle(),
  values: () => shownValues(store.state),
});

/**
 * @param {HTMLElement} root
 * @param {Store} store
 * @param {Loader} loader
 */
function build(root, store, loader) {
  const part = (/** @type {string} */ tag, /** @type {string} */ name, /** @type {string} */ label) =>
    /** @type {HTMLElement} */ (make(/** @type {"div"} */ (tag), { class: name, "aria-label": label || null }));
  const picker = mountPhotoPicker(store, loader);
  const page = { loader, choosePhoto: picker.open };
  const header = part("header", "header", "");
  const intro = makeIntro(store, picker);
  const pipeline = part("section", "pipeline", "All maps, in the order of the network");
  const stage = part("section", "stage", "Stage");
  const side = part("div", "aside", "");
  const panels = Object.fromEntries(
    ["change", "compare", "why", "measure"].map((view) => [view, part("section", `panel ${view}`, view)]),
  );
  const details = part("section", "panel details", "Details");
  const tour = part("section", "tour", "Tour");
  const batch = part("main", "batch", "Survey");
  const notice = makeNotice(store);
  const arrangement = makeArrangement(store);
  const main = make(
    "main",
    { class: "main" },
    pipeline,
    make("div", { class: "middle" }, stage, arrangement.element),
    side,
  );
  side.append(...Object.values(panels), details);
  root.append(header, notice.element, intro.element, main, batch, tour, picker.element, picker.capture);
  mountHeader(header, store, page);
  mountPipeline(pipeline, store);
  const stops = [mountStage(stage, store)];
  mountChange(/** @type {HTMLElement} */ (panels.change), store);
  mountCompare(/** @type {HTMLElement} */ (panels.compare), store, page);
  mountWhy(/** @type {HTMLElement} */ (panels.why), store, page);
  const measure = mountMeasure(/** @type {HTMLElement} */ (panels.measure), store, page);
  mountDetails(details, store);
  mountTour(tour, store, page);
  const batches = mountBatch(batch, store, page);
  listenForFiles(root, (files, target) => {
    const { view } = store.state.scene;
    const pictures = files.filter(isPicture);
    if (view === "batch" || pictures.length > 1) {
      store.dispatch({ type: "view", view: "batch" });
      batches.add(files);
    } else if (view === "measure" && target?.closest(".measure") && pictures[0]) measure.give(pictures[0]);
    else if (pictures[0]) picker.give(pictures[0], pictures[0].name || "pasted.png");
    else store.dispatch({ type: "notice", text: `${files[0]?.name ?? "This file"} is not an image.`, kind: "error" });
  });

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  /** @param {State} state */
  function draw({ scene }) {
    root.dataset.view = scene.view;
    root.dataset.theme = scene.theme === "auto" ? (dark.matches ? "dark" : "light") : scene.theme;
    root.classList.toggle("present", scene.present);
    root.classList.toggle("kernel", scene.kernel);
    main.hidden = scene.view === "batch";
    batch.hidden = scene.view !== "batch";
    tour.hidden = scene.view !== "tour";
    for (const [view, panel] of Object.entries(panels)) panel.hidden = view !== scene.view;
  }
  const redraw = () => draw(store.state);
  dark.addEventListener("change", redraw);
  stops.push(
    store.subscribe((state, before) => {
      if (state.scene !== before.scene) draw(state);
      if (state.scene.view !== before.scene.view) side.scrollTop = 0;
      if (state.scene.pinned && state.scene !== before.scene) exactPixels(store, loader);
    }),
    () => dark.removeEventListener("change", redraw),
    keepFocus(root, store),
    listenForPresent(root, store),
  );
  redraw();
  return () => {
    for (const stop of stops) stop();
    loader.stop();
    root.replaceChildren();
  };
}

/**
 * Request a pinned pixel's coefficients with all digits.
 * @param {Store} store
 * @param {Loader} loader
 */
function exactPixels(store, loader) {
  const { state } = store;
  if (!state.scene.kernel) return;
  shownSlots(state.scene).forEach((request, slot) => {
    const marker = request && markerOf(state, /** @type {0 | 1} */ (slot));
    if (!request || !marker) return;
    loader.answer(pixelKey(request, marker), ({ signal }) => loader.engine.pixel(request, marker.x, marker.y, signal));
  });
}

/**
 * The introduction: one sentence about DGRL, and buttons for the first steps.
 * @param {Store} store
 * @param {{open: (slot?: 0 | 1) => void, capture: HTMLInputElement}} picker
 */
function makeIntro(store, picker) {
  const tour = button("Take the tour", () => store.dispatch({ type: "view", view: "tour" }), {
    class: "primary",
    "data-testid": "take-tour",
  });
  const useOwn = button("Use your photo", () => picker.open(0), { "data-testid": "use-photo" });
  const takePhoto = button("Take a photo", () => picker.capture.click(), {
    class: "touch",
    "data-testid": "take-photo",
  });
  const element = make(
    "section",
    { class: "intro", "aria-label": "What this is" },
    make("p", {}, SENTENCE),
    make("div", { class: "row" }, tour, useOwn, takePhoto),
  );
  const draw = () => {
    const { scene, capabilities, experiments } = store.state;
    element.hidden = scene.view !== "explore" || scene.present;
    tour.hidden = !experiments.length || !capabilities.passes;
    useOwn.hidden = takePhoto.hidden = !capabilities.upload;
  };
  store.subscribe(draw);
  draw();
  return { element };
}

/** @param {{loaded: number, total: number, seconds?: number}} loading */
function loadingWords({ loaded, total, seconds }) {
  const megabytes = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1);
  const timeLeft =
    seconds === undefined || loaded < MEASURABLE ? "" : `, about ${Math.max(1, Math.round(seconds))} s left`;
  return `Loading the network: ${megabytes(loaded)} of ${megabytes(total)} MB${timeLeft}`;
}

/** The notice: messages of the page, and whether its server answers. @param {Store} store */
function makeNotice(store) {
  const text = make("span", {});
  const close = button("×", () => store.dispatch({ type: "notice", text: "" }), { "aria-label": "Close this message" });
  const element = make("div", { class: "notice", role: "alert", "data-testid": "notice" }, text, close);
  const draw = () => {
    const { notice, online, loading } = store.state;
    const loadingText = loading ? loadingWords(loading) : "";
    const lost = online ? "" : "The server does not answer. This page tries again every two seconds.";
    write(text, lost || notice?.text || loadingText);
    element.hidden = !text.textContent;
    element.dataset.kind = lost || notice?.kind === "error" ? "error" : "info";
    close.hidden = !!lost || !notice;
  };
  store.subscribe(draw);
  draw();
  return { element };
}
