// The page: a photo, its pass and an altered one in the explorer, and what a person changes. No request leaves it.

import { make } from "../../dgrl/explorer/script/dom.js";
import { mount } from "../../dgrl/explorer/script/explorer.js";
import { changesNothing, fromAddress, inputsOf, toAddress, unaltered, wordsOf } from "./alterations.js";
import { makeCamera } from "./camera.js";
import { makeControls } from "./controls.js";
import { startEngine } from "./engine.js";
import { makeExperiments } from "./experiments.js";
import { finalMap, foundInWords, makePass, meanChange, shareFound } from "./passes.js";
import { listenForPictures, readPhoto } from "./photos.js";
import { prepare } from "./start.js";

/** @typedef {import("../../dgrl/explorer/script/unpack.js").Pass} Pass */
/** @typedef {import("./alterations.js").Alterations} Alterations */
/** @typedef {import("./passes.js").Manifest} Manifest */
/** @typedef {import("./photos.js").Photo} Photo */

const NAMES = /** @type {[string, string]} */ (["as it is", "altered"]);
/** @type {<T extends HTMLElement>(id: string) => T} */
const get = (id) => /** @type {any} */ (document.getElementById(id));
const said = get("said");
const loading = /** @type {HTMLProgressElement} */ (get("loading"));

/** @param {string} text */
const say = (text) => {
  said.textContent = text;
};

/** @param {unknown} error */
const complain = (error) => say(error instanceof Error ? error.message : String(error));

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
  get("engine").textContent = `${manifest.name}, DGRL ${manifest.version}, ${engine.engine}${threads}`;
  await start(manifest, engine);
}

/**
 * @param {Manifest} manifest
 * @param {Awaited<ReturnType<typeof startEngine>>} engine
 */
async function start(manifest, engine) {
  const { config } = manifest;
  /** @type {{photo: Photo | null, example: string, steps: number, altered: Alterations, before: Alterations[]}} */
  const now = { photo: null, example: "", steps: config.steps, altered: unaltered(), before: [] };
  /** @type {ReturnType<typeof mount> | null} */
  let explorer = null;
  /** @type {[Pass | null, Pass | null]} */
  const passes = [null, null];
  const controls = makeControls(get("alter"), config.context, {
    steps: (steps) => {
      now.steps = steps;
      draw();
      localiseAgain();
    },
    alter: (changes) => alter({ ...now.altered, ...changes }),
    undo: () => {
      now.altered = now.before.pop() ?? unaltered();
      draw();
      runAltered("brn");
    },
    reset: () => alter(unaltered()),
  });

  /** @param {Alterations} altered */
  function alter(altered) {
    now.before.push(now.altered);
    now.altered = altered;
    draw();
    runAltered("brn");
  }

  function draw() {
    controls.draw(now.altered, now.steps, now.before.length > 0);
    const address = new URLSearchParams();
    if (now.example) address.set("photo", now.example);
    if (now.steps !== config.steps) address.set("T", String(now.steps));
    toAddress(now.altered, address);
    history.replaceState(null, "", `#${address}`);
  }

  /**
   * Put a pass on the stage.
   * @param {0 | 1} slot
   * @param {Pass | null} pass
   */
  function show(slot, pass) {
    passes[slot] = pass;
    if (!pass && slot === 0) return;
    if (explorer) explorer.put(slot, pass, NAMES[slot]);
    else if (pass) {
      explorer = mount(get("explorer-host"), pass, { names: NAMES, paint: config.context, bar: false });
      explorer.addEventListener("paint", (event) => painted(/** @type {CustomEvent} */ (event).detail));
    }
    Object.assign(window, { explorer });
  }

  /** @param {import("../../dgrl/explorer/script/brush.js").Painting} painting */
  function painted({ tap, share, strength, done }) {
    const { [tap]: _, ...others } = now.altered.painted;
    const nothing = !share.data.some(Boolean);
    const next = nothing ? others : { ...others, [tap]: { share: share.data, strength } };
    now.altered = { ...now.altered, painted: next };
    runAltered(done ? "brn" : "rln");
  }

  /** @param {Photo} photo */
  async function take(photo, example = "") {
    now.photo = photo;
    now.example = example;
    now.altered = { ...now.altered, painted: {} };
    now.before = [];
    say(`${photo.name}: looking …`);
    engine.photo(photo.key, photo.image);
    passes[1] = null;
    explorer?.put(1, null);
    draw();
    await localiseAgain();
  }

  /** The pass as it is, then the altered one. */
  async function localiseAgain() {
    const { photo, steps } = now;
    if (!photo) return;
    try {
      /** @param {import("./engine.js").Arrays} arrays */
      const localised = (arrays) => show(0, makePass(manifest, photo, { ...arrays }, steps));
      const result = await engine.run({ slot: "own", photo: photo.key, steps, localised });
      if (!result) return;
      show(0, makePass(manifest, photo, result.arrays, steps));
      tell(result.seconds);
      await runAltered("brn");
    } catch (error) {
      complain(error);
    }
  }

  /** @param {"rln" | "brn"} until */
  async function runAltered(until) {
    const { photo, steps, altered } = now;
    if (!photo || !passes[0]) return;
    if (changesNothing(altered)) {
      if (passes[1]) show(1, null);
      return;
    }
    try {
      /** @param {import("./engine.js").Arrays} arrays */
      const localised = (arrays) => show(1, makePass(manifest, photo, { ...arrays }, steps));
      const inputs = inputsOf(altered, steps);
      const result = await engine.run({ slot: "altered", photo: photo.key, steps, inputs, until, localised });
      if (!result || until === "rln") return;
      show(1, makePass(manifest, photo, result.arrays, steps));
      tell(result.seconds);
    } catch (error) {
      complain(error);
    }
  }

  /** @param {number} seconds */
  function tell(seconds) {
    const [first, second] = passes;
    if (!first) return;
    const share = shareFound(finalMap(first), manifest.found);
    const words = [foundInWords(share)];
    if (second?.arrays["brn.coefficients"]) {
      const other = shareFound(finalMap(second), manifest.found);
      const change = meanChange(first, second).toFixed(4);
      words.push(
        `Altered (${wordsOf(now.altered).join("; ")}): ${(100 * other).toFixed(1)} %, ${change} away on average.`,
      );
    }
    say(`${words.join(" ")} ${seconds.toFixed(1)} s.`);
    document.documentElement.dataset.seconds = seconds.toFixed(3);
  }

  /** @param {string} name of an example */
  async function takeExample(name) {
    const blob = await (await fetch(`./photos/${name}`)).blob();
    await take(await readPhoto(blob, name), name);
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  const takeFile = (blob, name) => readPhoto(blob, name).then((photo) => take(photo), complain);

  /** @param {string} text what follows the # of an address */
  async function follow(text) {
    const address = new URLSearchParams(text);
    const steps = Number(address.get("T") ?? config.steps);
    now.steps = Number.isInteger(steps) && steps >= 0 && steps <= 4 ? steps : config.steps;
    const wanted = address.get("photo") ?? "";
    const example = manifest.photos.includes(wanted) ? wanted : (manifest.photos[0] ?? "");
    now.altered = fromAddress(address);
    if (example) await takeExample(example).catch(complain);
  }

  const examples = manifest.photos.map((name) => {
    const image = make("img", { src: `./photos/${name}`, alt: name.replace(/\.\w+$/, ""), loading: "lazy" });
    return make("button", { type: "button", click: () => takeExample(name).catch(complain) }, image);
  });
  get("examples").append(...examples);
  const file = /** @type {HTMLInputElement} */ (get("file"));
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) takeFile(chosen, chosen.name);
    file.value = "";
  });
  listenForPictures(takeFile);
  const camera = makeCamera(engine, config, manifest.colours.saliency, () => now.steps, take);
  const button = get("camera");
  button.hidden = !navigator.mediaDevices;
  button.addEventListener("click", () => camera.open().catch(complain));
  for (const id of ["save", "cut"]) get(id).addEventListener("click", () => save(id === "cut"));
  if (manifest.experiments.length) get("alter").append(makeExperiments(manifest.experiments, follow));

  /** @param {boolean} cut the object on transparency, else the map in grey */
  async function save(cut) {
    const pass = passes[1]?.arrays["brn.coefficients"] ? passes[1] : passes[0];
    if (!pass || !now.photo) return;
    const map = finalMap(pass);
    const { width, height, data } = now.photo.image;
    const image = new ImageData(width, height);
    map.forEach((value, i) => {
      const grey = Math.round(255 * value);
      image.data.set(cut ? [...data.subarray(4 * i, 4 * i + 3), grey] : [grey, grey, grey, 255], 4 * i);
    });
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    const link = make("a", { href: URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" })) });
    link.download = `${now.photo.name.replace(/\.\w+$/, "")}${cut ? "_cutout" : ""}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  Object.assign(window, { dgrl: { engine, manifest, now, passes, readPhoto, take } });
  await follow(location.hash.slice(1));
  document.documentElement.dataset.ready = "yes";
}

begin().catch(complain);
