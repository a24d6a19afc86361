// The page: a photo, its pass and an altered one in the explorer, and what a person changes. No request leaves it.

import { heldMasks, makeAltering, objectMask } from "../../dgrl/app/script/altering.js";
import { makeExperiments } from "../../dgrl/app/script/experiments.js";
import { makeExplaining } from "../../dgrl/app/script/explaining.js";
import { readLink, withinSteps, writeLink } from "../../dgrl/app/script/links.js";
import { makeUndoing } from "../../dgrl/app/script/undoing.js";
import { choice, make, write } from "../../dgrl/explorer/script/dom.js";
import { mount } from "../../dgrl/explorer/script/explorer.js";
import { pageExplainer } from "./answering.js";
import { makeCamera } from "./camera.js";
import { gridsOf, inputsOf } from "./edits.js";
import { startEngine } from "./engine.js";
import { changesOf, finalMap, foundIn, foundInWords, makePass, surest } from "./passes.js";
import { listenForPictures, readPhoto } from "./photos.js";
import { prepare } from "./start.js";

/** @typedef {import("../../dgrl/app/script/altering.js").Altered} Altered */
/** @typedef {import("../../dgrl/app/script/links.js").Scene} Scene */
/** @typedef {import("../../dgrl/app/script/links.js").Wish} Wish */
/** @typedef {import("../../dgrl/explorer/script/unpack.js").Pass} Pass */
/** @typedef {import("./passes.js").Manifest} Manifest */
/** @typedef {import("./photos.js").Photo} Photo */

const MOST_STEPS = 4;
/** @type {<T extends HTMLElement>(id: string) => T} */
const get = (id) => /** @type {any} */ (document.getElementById(id));
const loading = /** @type {HTMLProgressElement} */ (get("loading"));

/** @param {string} text */
const say = (text) => write(get("said"), text);

/** @param {unknown} error */
const complain = (error) => say(error instanceof Error ? error.message : String(error));

/** @param {string} file */
const stem = (file) => file.replace(/\.\w+$/, "");

async function begin() {
  await prepare((share) => {
    loading.value = share;
    say(`Loading, once: ${Math.round(100 * share)} %`);
  });
  /** @type {Manifest} */
  const manifest = await (await fetch("./manifest.json")).json();
  const engine = await startEngine();
  loading.hidden = true;
  const threads = engine.engine === "wasm" ? `, ${engine.threads} thread${engine.threads > 1 ? "s" : ""}` : "";
  write(get("engine"), `${manifest.name}, DGRL ${manifest.version}, ${engine.engine}${threads}`);
  await start(manifest, engine);
}

/**
 * @param {Manifest} manifest
 * @param {Awaited<ReturnType<typeof startEngine>>} engine
 */
async function start(manifest, engine) {
  const { config } = manifest;
  const grids = gridsOf(manifest.graphs);
  const examples = manifest.photos.map((file) => {
    const path = `./photos/${file}`;
    return { name: stem(file), path, example: true, mask: null, thumbnail: path };
  });
  /** Photos as pixels, by what links call them. @type {Map<object, Photo>} */
  const read = new Map();
  const offered = { photos: examples, checkpoints: [manifest.name], mostSteps: MOST_STEPS };
  const first = { photo: examples[0], checkpoint: manifest.name, steps: null, edits: [] };
  /** @type {Scene} */
  const home = {
    tab: "explore",
    first: /** @type {Wish} */ (first),
    second: null,
    view: { x: 0, y: 0, pinned: false, present: false, step: config.steps, map: "prediction" },
    why: { target: "pixel", method: "occlusion", refined: false, level: "conv5" },
  };
  Object.assign(home.view, { opacity: 0.8, arrangement: "beside", scale: 0.5, slot: 0 });
  let scene = home;
  /** @type {[Pass | null, Pass | null]} */
  const passes = [null, null];
  /** @type {ReturnType<typeof mount> | null} */
  let explorer = null;
  /** The one that Why asks about: it stays while the pointer moves. */
  let pixel = { x: 0, y: 0 };
  const undoing = makeUndoing(altered, change);

  /** @param {Wish} wish */
  const stepsOf = (wish) => wish.steps ?? config.steps;

  /** @returns {Altered} */
  function altered() {
    const { edits, steps } = scene.second ?? { edits: [], steps: scene.first.steps };
    return { edits, steps };
  }

  const altering = makeAltering({
    altered,
    change: undoing.change,
    trained: () => stepsOf(scene.first),
    mostSteps: MOST_STEPS,
    look: (map) => explorer?.set({ map }),
    undo: undoing.undo,
    redo: undoing.redo,
    reset: () => undoing.change({ edits: [], steps: scene.first.steps }),
    can: undoing.can,
    object: foundObject,
    brush,
    brushing: () => ({
      ...(explorer?.brush ?? { on: false, rub: false, strength: 4, radius: 0.06 }),
      level: String(scene.view.map),
    }),
  });
  const explainer = pageExplainer(engine, manifest, grids, { photoOf, stepsOf });
  const explaining = makeExplaining(explainer, {
    scene: () => scene,
    pixel: () => pixel,
    update: (why) => {
      scene = { ...scene, why: { ...scene.why, ...why } };
      draw();
    },
    say: (text) => write(get("explained"), text),
  });
  const aside = make("div", { class: "aside-host", hidden: true }, altering.element, explaining.element);
  const counts = Array.from({ length: MOST_STEPS + 1 }, (_, t) => ({ value: String(t), text: String(t) }));
  const steps = choice("T", counts, (value) => {
    const wanted = Number(value) === config.steps ? null : Number(value);
    update({ first: { ...scene.first, steps: wanted } });
  });
  steps.element.title = "How often the network looks again";
  get("steps").append(steps.element);
  const experiments = makeExperiments(manifest.experiments, { follow: (query) => follow(query).catch(complain) });
  get("experiments").append(experiments.element);
  get("open-experiments").hidden = !manifest.experiments.length;

  /** @param {Altered} next */
  function change(next) {
    scene = { ...scene, second: { ...scene.first, ...next } };
    runSecond("brn").catch(complain);
    draw();
    holdMasks();
  }

  /** @param {Partial<Scene>} changes */
  function update(changes) {
    scene = { ...scene, ...changes };
    if (changes.first && scene.second) scene.second = { ...scene.second, photo: changes.first.photo };
    scene.view = withinSteps(scene, () => config.steps);
    draw();
    return runBoth().catch(complain);
  }

  /** @param {{level: string, strength: number, mask: import("../../dgrl/explorer/script/painting.js").Mask, done: boolean}} painting */
  function painted(painting) {
    undoing.paint(painting.done);
    const edits = altering.painted(painting);
    scene = { ...scene, second: { ...scene.first, ...altered(), edits } };
    if (!painting.done) {
      runSecond("rln").catch(complain);
      return;
    }
    change({ ...altered(), edits });
  }

  /** @param {Parameters<Parameters<typeof makeAltering>[0]["brush"]>[0]} wanted */
  function brush({ level, ...settings }) {
    if (!explorer) return;
    Object.assign(explorer.brush, settings);
    if (level) explorer.set({ map: level });
    explorer.redraw();
    altering.draw();
  }

  /** Show what is painted where the brush paints. */
  function holdMasks() {
    explorer?.hold(heldMasks(altered().edits, passes[0]?.header.steps ?? 0));
  }

  function foundObject() {
    const [pass] = passes;
    const values = pass?.arrays[`brn.round${pass.header.propagations}`];
    return pass && values ? objectMask(values, pass.header.brn, pass.header.photo) : null;
  }

  /**
   * Put a pass on the stage.
   * @param {0 | 1} slot
   * @param {Pass | null} pass
   */
  function show(slot, pass) {
    passes[slot] = pass;
    if (!pass && slot === 0) return;
    if (explorer) {
      const view = { ...scene.view };
      explorer.put(slot, pass, slot ? "altered" : "untouched");
      explorer.set(slot ? { arrangement: view.arrangement, slot: view.slot } : { ...view, ...placeIn(pass) });
    } else if (pass) explorer = begun(pass);
    Object.assign(window, { explorer });
    holdMasks();
    altering.draw();
  }

  /**
   * The pixel to begin at: the one that somebody has chosen, or that the last step is surest of. What is asked of a pixel
   * stays with it.
   * @param {Pass | null} pass
   */
  function placeIn(pass) {
    const { x, y, pinned } = scene.view;
    return { ...(pinned || !pass ? { x, y } : surest(pass)), pinned: pinned || scene.tab === "why" };
  }

  /** @param {Scene["view"]} view */
  function seen(view) {
    scene.view = { ...view };
    if (view.pinned) pixel = { x: view.x, y: view.y };
    if (scene.tab === "why") explaining.draw();
  }

  /** @param {Pass} pass */
  function begun(pass) {
    const mounted = mount(get("stage"), pass, {
      names: ["untouched", "altered"],
      state: { ...scene.view, ...placeIn(pass) },
      aside,
      bar: false,
    });
    mounted.addEventListener("view", (event) => {
      const moved = scene.view.map !== /** @type {CustomEvent} */ (event).detail.map;
      seen(/** @type {CustomEvent} */ (event).detail);
      if (moved) altering.draw();
      note();
    });
    mounted.addEventListener("paint", (event) => painted(/** @type {CustomEvent} */ (event).detail));
    const { x, y, pinned } = mounted.state;
    seen({ ...scene.view, x, y, pinned });
    return mounted;
  }

  /** @param {Wish} wish */
  async function photoOf(wish) {
    const known = read.get(wish.photo);
    if (known) return known;
    const blob = await (await fetch(wish.photo.path)).blob();
    const photo = await readPhoto(blob, wish.photo.name);
    read.set(wish.photo, photo);
    return photo;
  }

  /**
   * One pass, shown as far as it has come.
   * @param {0 | 1} slot
   * @param {Wish} wish
   * @param {"rln" | "brn"} until
   * @returns {Promise<number | null>} seconds; null if something newer has taken its place
   */
  async function pass(slot, wish, until) {
    const photo = await photoOf(wish);
    const T = stepsOf(wish);
    engine.photo(photo.key, photo.image);
    /** @param {import("./engine.js").Arrays} arrays */
    const localised = (arrays) => show(slot, makePass(manifest, photo, { ...arrays }, T));
    const inputs = inputsOf(wish.edits, T, grids);
    const result = await engine.run({ slot: String(slot), photo: photo.key, steps: T, inputs, until, localised });
    if (!result || until === "rln") return null;
    show(slot, makePass(manifest, photo, result.arrays, T));
    return result.seconds;
  }

  /** @param {"rln" | "brn"} until */
  async function runSecond(until) {
    const { second } = scene;
    if (!second || (!second.edits.length && stepsOf(second) === stepsOf(scene.first))) {
      if (passes[1]) show(1, null);
      altering.show(null);
      return;
    }
    const seconds = await pass(1, second, until);
    const [one, other] = passes;
    if (seconds === null || !one || !other) return;
    altering.show(changesOf(one, other, manifest.found));
    document.documentElement.dataset.altered = seconds.toFixed(3);
  }

  async function runBoth() {
    const { name } = scene.first.photo;
    say(`${name}: looking …`);
    const seconds = await pass(0, scene.first, "brn");
    if (seconds === null || !passes[0]) return;
    say(`${foundInWords(foundIn(finalMap(passes[0]), manifest.found).share)} Found in ${seconds.toFixed(1)} s.`);
    document.documentElement.dataset.seconds = seconds.toFixed(3);
    await runSecond("brn");
  }

  function draw() {
    const open = scene.tab === "alter" || scene.tab === "compare";
    const asking = scene.tab === "why";
    aside.hidden = !open && !asking;
    altering.element.hidden = !open;
    explaining.element.hidden = !asking;
    get("open-alter").setAttribute("aria-pressed", String(open));
    get("open-why").setAttribute("aria-pressed", String(asking));
    get("open-experiments").setAttribute("aria-pressed", String(scene.tab === "experiments"));
    get("experiments").hidden = scene.tab !== "experiments";
    get("stage").hidden = scene.tab === "experiments";
    steps.set(String(stepsOf(scene.first)));
    altering.draw();
    explaining.draw();
    note();
  }

  function note() {
    history.replaceState(null, "", writeLink(scene, home));
  }

  /** @param {string} query of a link, the app's or this page's */
  async function follow(query) {
    const linked = readLink(query, home, offered);
    const wanted = { ...linked, view: withinSteps(linked, () => config.steps) };
    undoing.forget();
    const { method, refined } = home.why; // the one that is here, whatever the app was asked
    const view = { ...scene.view, ...wanted.view };
    scene = { ...wanted, view, why: { ...wanted.why, method, refined } };
    explorer?.set(view);
    scene = { ...scene, view }; // what is still shown may be a smaller photo, or have fewer steps
    await update({});
  }

  /**
   * A photo of somebody's own, which no link carries.
   * @param {Photo} photo
   */
  function take(photo) {
    const own = { name: photo.name, path: photo.key, example: false, mask: null, thumbnail: "" };
    read.set(own, photo);
    return use(own);
  }

  /** @param {import("../../dgrl/app/script/links.js").Photo} photo */
  function use(photo) {
    undoing.forget();
    const edits = scene.second?.edits.filter(({ kind }) => kind !== "paint") ?? [];
    const second = scene.second && { ...scene.second, photo, edits };
    scene.view = { ...scene.view, pinned: false };
    if (passes[1]) show(1, null);
    return update({ first: { ...scene.first, photo }, second });
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  const takeFile = (blob, name) => readPhoto(blob, name).then(take, complain);

  get("examples").append(
    ...examples.map((photo) => {
      const image = make("img", { src: photo.path, alt: photo.name, loading: "lazy" });
      return make("button", { type: "button", click: () => use(photo) }, image);
    }),
  );
  const file = /** @type {HTMLInputElement} */ (get("file"));
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) takeFile(chosen, chosen.name);
    file.value = "";
  });
  listenForPictures(takeFile);
  const camera = makeCamera(engine, config, manifest.colours.saliency, () => stepsOf(scene.first), take);
  get("camera").hidden = !navigator.mediaDevices;
  get("camera").addEventListener("click", () => camera.open().catch(complain));
  for (const tab of ["alter", "why", "experiments"]) {
    get(`open-${tab}`).addEventListener("click", () => {
      if (explorer?.brush.on) brush({ on: false });
      scene = { ...scene, tab: scene.tab === tab ? "explore" : tab };
      if (scene.tab === "why") explorer?.set({ pinned: true });
      draw();
    });
  }
  for (const id of ["save", "cut"]) get(id).addEventListener("click", () => save(id === "cut").catch(complain));

  /** @param {boolean} cut the object on transparency, else the map in grey */
  async function save(cut) {
    const shown = passes[1]?.arrays["brn.coefficients"] ? passes[1] : passes[0];
    if (!shown?.arrays["brn.coefficients"]) return;
    const photo = await photoOf(scene.first);
    const map = finalMap(shown);
    const { width, height, data } = photo.image;
    const image = new ImageData(width, height);
    for (let i = 0; i < map.length; i++) {
      const grey = Math.round(255 * map[i]);
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = cut ? data[4 * i + c] : grey;
      image.data[4 * i + 3] = cut ? grey : 255;
    }
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    const link = make("a", { href: URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" })) });
    link.download = `${stem(photo.name)}${cut ? "_cutout" : ""}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  Object.assign(window, {
    dgrl: { engine, explainer, manifest, grids, inputsOf, passes, readPhoto, scene: () => scene },
  });
  new MutationObserver(theme).observe(get("stage"), { subtree: true, attributeFilter: ["data-theme"] });
  function theme() {
    get("root").dataset.theme = explorer?.element.dataset.theme ?? "light";
  }
  await follow(location.search);
  document.documentElement.dataset.ready = "yes";
}

begin().catch(complain);
