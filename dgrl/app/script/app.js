// The app: one stage, and around it what is altered, compared, explained, measured. State is one scene; links hold it.

import { choice, make, write } from "../../explorer/script/dom.js";
import { mount } from "../../explorer/script/explorer.js";
import { heldMasks, makeAltering, objectMask, without } from "./altering.js";
import { serverExplainer } from "./answering.js";
import { makeBatching } from "./batching.js";
import { makeComparing } from "./comparing.js";
import { makeDetecting } from "./detecting.js";
import { makeExperiments } from "./experiments.js";
import { makeExplaining } from "./explaining.js";
import { lacksPhoto, readLink, TABS, withinSteps, writeLink } from "./links.js";
import { makeMeasuring } from "./measuring.js";
import { keyOf, makePasses, sent } from "./passes.js";
import { makeServer } from "./requests.js";
import { makeSource } from "./source.js";
import { keep, recall } from "./storing.js";
import { makeUndoing } from "./undoing.js";

/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./links.js").Wish} Wish */
/** @typedef {import("./links.js").Photo} Photo */
/** @typedef {import("./passes.js").Shown} Shown */
/** @typedef {import("./altering.js").Altered} Altered */
/** @typedef {import("../../explorer/script/explorer.js").Explorer} Explorer */

/**
 * @typedef {Object} Settings What the server tells of itself.
 * @property {{name: string, steps: number}[]} checkpoints
 * @property {{name: string, path: string, mask: string | null, thumbnail: string}[]} examples
 * @property {import("./experiments.js").Experiment[]} experiments
 * @property {number} mostSteps
 */

const STAGED = ["explore", "alter", "compare", "why"];
const PAUSE = 250;

/**
 * @param {HTMLElement} element that Gradio gives
 * @param {Settings} settings
 * @param {string} style the page's style sheet
 */
export function startApp(element, settings, style) {
  document.head.append(make("style", {}, style));
  const server = makeServer();
  const photos = photosOf(settings, server);
  const checkpoints = settings.checkpoints.map(({ name }) => name);
  const start = firstScene(photos, checkpoints);
  const offered = { photos, checkpoints, mostSteps: settings.mostSteps };
  /** @type {Scene} */
  let scene = readLink(window.location.search, start, offered);
  let pixel = { x: -1, y: -1 };
  /** @type {Explorer | null} */
  let explorer = null;
  /** @type {(Shown | null)[]} */
  const shown = [null, null];
  const undoing = makeUndoing(altered, change);
  /** @type {Wish | null} the first pass that could be had last */
  let sound = null;
  let settling = 0;
  let noting = 0;
  let names = namesOf(scene);

  const root = make("div", { class: "dgrl-app" });
  const status = make("p", { class: "unseen", role: "status" });
  const alert = make("p", { class: "alert", role: "alert", hidden: true });
  const wait = make("p", { class: "wait" }, `Looking at ${scene.first.photo.name} …`);
  const staged = make("div", { class: "staged" }, wait);
  const aside = make("div", { class: "aside-host", hidden: true });
  const source = makeSource(server, photos, (photo) => give(source.slot(), photo), fail);
  const altering = makeAltering({
    altered,
    change: undoing.change,
    trained: () => scene.first.steps ?? trained(scene.first.checkpoint),
    mostSteps: settings.mostSteps,
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
  const comparing = makeComparing({
    scene: () => scene,
    photos,
    checkpoints,
    mostSteps: settings.mostSteps,
    set: (index, wish) => update(index ? { second: wish } : { first: /** @type {Wish} */ (wish) }),
    choose: (index) => source.open(index),
  });
  const explaining = makeExplaining(serverExplainer(server), {
    scene: () => scene,
    pixel: () => pixel,
    update: (why) => update({ why: { ...scene.why, ...why } }),
    say,
  });
  const detecting = makeDetecting(server, { scene: () => scene, choose: (index) => source.open(index), fail });
  const measuring = makeMeasuring(server, { scene: () => scene, fail });
  const batching = makeBatching(server, { scene: () => scene, photos, checkpoints, own: source.own, open: openFrom });
  const experiments = makeExperiments(settings.experiments, { follow });
  const sections = { alter: altering.element, compare: comparing.element, why: explaining.element };
  aside.append(...Object.values(sections));
  const pages = {
    detect: detecting.element,
    measure: measuring.element,
    batch: batching.element,
    experiments: experiments.element,
  };
  const bar = makeHeader();
  const main = make("div", { class: "main", role: "tabpanel", id: "dgrl-main" }, staged, ...Object.values(pages));
  root.append(bar.element, alert, main, status, source.element);
  (element.querySelector("#dgrl") ?? element).replaceChildren(root);
  const passes = makePasses(server, came, failedPass, () => bar.busy(passes.busy()));
  window.addEventListener("popstate", () => follow(window.location.search));
  if (lacksPhoto(window.location.search, photos)) {
    fail(new Error("This link was made with a photo of somebody’s own, which no link carries: here is an example."));
  }
  if (new URLSearchParams(window.location.search).get("view") === "api") showApiWhenItCanBe();
  if (scene.view.pinned) pixel = { x: scene.view.x, y: scene.view.y };
  const observer = new MutationObserver(paintTheme);
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  ask();
  draw();
  Object.assign(window, { dgrl: { scene: () => scene, explorer: () => explorer, server } });

  /** @param {string} checkpoint */
  function trained(checkpoint) {
    return settings.checkpoints.find(({ name }) => name === checkpoint)?.steps ?? 0;
  }

  /**
   * Something else is wished for.
   * @param {Partial<Scene>} changes
   */
  function update(changes) {
    const before = scene;
    scene = { ...scene, ...changes };
    if (changes.first && scene.second && !("second" in changes)) {
      // What is altered is altered of the first pass, whichever it is; two passes of one photo stay so.
      const { photo, checkpoint } = changes.first;
      if (before.tab !== "compare") scene.second = { ...scene.second, photo, checkpoint };
      else if (scene.second.photo === before.first.photo) scene.second = { ...scene.second, photo };
    }
    scene.view = withinSteps(scene, trained);
    if (changes.first?.photo && changes.first.photo !== before.first.photo) {
      scene.view = { ...scene.view, pinned: false };
      pixel = { x: -1, y: -1 };
    }
    ask();
    draw();
  }

  /** Ask for the passes of the scene. */
  function ask(quick = false) {
    const { first, second } = scene;
    passes.want(0, first, null);
    const beside = second && second.photo === first.photo ? first : null;
    const same = second && keyOf(second) === keyOf(first);
    if (same && shown[0] && shown[1]?.pass !== shown[0].pass) came(1, { ...shown[0], changes: null }, "kept");
    passes.want(1, same ? null : second, beside, quick);
    if (!second && shown[1]) {
      shown[1] = null;
      explorer?.put(1, null);
    }
  }

  /**
   * @param {number} index
   * @param {Shown} found
   * @param {string} part
   */
  function came(index, found, part) {
    const before = shown[index];
    shown[index] = found;
    if (index === 0) sound = scene.first;
    if (!explorer && index === 0) begin(found);
    else if (explorer && (part === "rln" || part === "kept" || before?.pass !== found.pass)) {
      const view = { ...scene.view };
      explorer.put(index, found.pass, names[index]);
      if (index === 0) {
        explorer.set(view);
        place(found);
      }
      if (index === 1) explorer.set({ arrangement: view.arrangement, slot: view.slot });
      holdMasks();
    } else explorer?.add(index, found.pass);
    if (index === 0 && part === "brn") place(found);
    if (index === 0 && scene.second && keyOf(scene.second) === keyOf(scene.first)) came(1, { ...found }, part);
    if (index === 1) altering.show(found.changes);
    altering.draw();
    if (found.parts.has("kernels")) root.dataset[index ? "second" : "first"] = "whole";
    if (index === 0 && found.facts.words) say(found.facts.words);
  }

  /**
   * Begin at the pixel that says most, unless somebody has chosen one.
   * @param {Shown} found
   */
  function place(found) {
    if (scene.view.pinned || pixel.x >= 0) return;
    const [x, y] = found.striking ?? found.surest;
    explorer?.set({ x, y, pinned: scene.tab === "why" }); // what is asked of a pixel stays with it
  }

  /** @param {Shown} found */
  function begin(found) {
    wait.remove();
    const wanted = scene.view;
    const began = mount(staged, found.pass, {
      names: /** @type {[string, string]} */ (names),
      state: scene.view,
      aside,
      exact,
    });
    explorer = began;
    began.addEventListener("view", (event) => seen(/** @type {CustomEvent} */ (event).detail));
    began.addEventListener("paint", (event) => painted(/** @type {CustomEvent} */ (event).detail));
    new MutationObserver(paintTheme).observe(began.element, { attributes: true, attributeFilter: ["data-theme"] });
    const [, second] = shown;
    if (second) {
      began.put(1, second.pass, names[1]);
      began.set({ arrangement: wanted.arrangement, slot: wanted.slot });
    }
    scene.view = { ...began.state };
    place(found);
    holdMasks();
    draw();
  }

  /** @param {Scene["view"]} view */
  function seen(view) {
    const before = scene.view;
    scene.view = { ...view };
    if (view.pinned) pixel = { x: view.x, y: view.y };
    root.classList.toggle("present", view.present);
    const moved = Object.keys(view).some((key) => !["x", "y"].includes(key) && view[key] !== before[key]);
    if (moved || view.pinned) note();
    if (scene.tab === "why") explaining.draw();
    if (moved && scene.tab === "alter") altering.draw();
  }

  /**
   * A pinned pixel's kernel with all its digits.
   * @param {{slot: number, x: number, y: number}} place
   */
  async function exact({ slot, x, y }) {
    const wish = slot ? scene.second : scene.first;
    if (!wish) return null;
    const { photo, checkpoint, steps, edits } = sent(wish);
    try {
      const [found] = await server.call("pixel", [photo, x, y, checkpoint, steps ?? -1, edits]);
      return found.coefficients.flat();
    } catch {
      return null; // the digits that are there stay
    }
  }

  /** @returns {Altered} */
  function altered() {
    const { edits, steps } = scene.second ?? { edits: [], steps: scene.first.steps };
    return { edits, steps };
  }

  /**
   * Alter the second pass: RLN's part runs at once, BRN's when nothing has changed for a moment.
   * @param {Altered} next
   */
  function change(next) {
    scene = { ...scene, second: { ...scene.first, ...next } };
    ask(true);
    window.clearTimeout(settling);
    settling = window.setTimeout(() => ask(), PAUSE);
    draw();
    holdMasks();
  }

  /** @param {{level: string, strength: number, mask: import("../../explorer/script/painting.js").Mask, done: boolean}} painting */
  function painted(painting) {
    undoing.paint(painting.done);
    const edits = altering.painted(painting);
    scene = { ...scene, second: { ...scene.first, ...altered(), edits } };
    if (!painting.done) {
      ask(true);
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
    explorer?.hold(heldMasks(altered().edits, shown[0]?.pass.header.steps ?? 0));
  }

  function foundObject() {
    const pass = shown[0]?.pass;
    const values = pass?.arrays[`brn.round${pass.header.propagations}`];
    return pass && values ? objectMask(values, pass.header.brn, pass.header.photo) : null;
  }

  /**
   * @param {number} index
   * @param {Photo} photo
   */
  function give(index, photo) {
    undoing.forget();
    if (index === 1) update({ second: { ...(scene.second ?? scene.first), photo } });
    else {
      // Paint belongs to a place of the photo that it was painted on.
      const { first, second } = scene;
      if (second?.photo === first.photo) scene.second = { ...second, edits: without(second.edits, ["paint"]) };
      update({ first: { ...first, photo, edits: without(first.edits, ["paint"]) } });
    }
    keepOwn(photos);
  }

  /**
   * @param {Photo} photo
   * @param {string | null} other another checkpoint to set beside it
   */
  function openFrom(photo, other) {
    const first = { ...scene.first, photo, edits: [] };
    const second = other ? { ...first, checkpoint: other } : null;
    update({ tab: other ? "compare" : "explore", first, second });
    keepOwn(photos);
  }

  /** @param {string} query */
  function follow(query) {
    const linked = readLink(query, start, offered);
    const wanted = { ...linked, view: withinSteps(linked, trained) };
    const { x, y, pinned } = wanted.view;
    const { theme } = explorer?.state ?? wanted.view;
    const view = { ...wanted.view, theme, pinned: pinned || wanted.tab === "why" };
    undoing.forget();
    scene = { ...wanted, view };
    explorer?.set(view);
    scene = { ...wanted, view }; // what is still shown may be a smaller photo, or have fewer steps
    pixel = pinned ? { x, y } : { x: -1, y: -1 };
    ask();
    draw();
  }

  /** @param {string} tab */
  function go(tab) {
    if (tab !== "alter" && explorer?.brush.on) brush({ on: false });
    if (tab === "why" && explorer) explorer.set({ pinned: true });
    const { first, second } = scene;
    const other = second && (second.photo !== first.photo || second.checkpoint !== first.checkpoint);
    const idle = second && scene.tab === "alter" && keyOf(second) === keyOf(first);
    update({ tab, second: idle || (tab === "alter" && other) ? null : second });
  }

  /** Two passes are called by what they differ in. */
  function rename() {
    const now = namesOf(scene);
    if (now.join() === names.join()) return;
    names = now;
    const view = { ...scene.view };
    shown.forEach((found, index) => {
      if (found) explorer?.put(index, found.pass, now[index]);
    });
    explorer?.set(view);
    holdMasks();
  }

  /** Show the scene, but for what the explorer shows itself. */
  function draw() {
    rename();
    const { tab } = scene;
    root.dataset.tab = tab;
    bar.draw();
    staged.hidden = !STAGED.includes(tab);
    for (const [name, page] of Object.entries(pages)) page.hidden = name !== tab;
    aside.hidden = !(tab in sections);
    for (const [name, section] of Object.entries(sections)) section.hidden = name !== tab;
    altering.draw();
    comparing.draw();
    explaining.draw();
    if (tab === "detect") detecting.show();
    if (tab === "measure") measuring.show();
    main.setAttribute("aria-labelledby", `tab-${tab}`);
    note();
  }

  /** Keep the address in step, so that a reload of the page shows the same. */
  function note() {
    window.clearTimeout(noting);
    noting = window.setTimeout(() => window.history.replaceState(null, "", address()), 200);
  }

  function address() {
    const query = new URLSearchParams(writeLink(scene, start));
    const theme = new URLSearchParams(window.location.search).get("__theme");
    if (theme) query.set("__theme", theme);
    return `?${query}`;
  }

  async function copyLink() {
    const query = new URLSearchParams(writeLink(scene, start));
    const own = !scene.first.photo.example || !!(scene.second && !scene.second.photo.example);
    query.delete("own");
    query.delete("own2");
    const link = `${window.location.origin}${window.location.pathname}?${query}`;
    const carries = `It carries checkpoint, view, pixel${scene.second ? ", edits" : ""} and settings`;
    const note = own ? `${carries}, and not your photo, which stays with you.` : `${carries}, and this example.`;
    try {
      await navigator.clipboard.writeText(link);
      bar.linked(link, `Copied. ${note}`);
    } catch {
      bar.linked(link, `Copy the link from the field. ${note}`);
    }
  }

  async function report() {
    const { photo, checkpoint, steps, edits } = sent(scene.first);
    bar.packing(true);
    try {
      const [file] = await server.call("report", [photo, checkpoint, steps ?? -1, edits]);
      const name = file.path.split("/").at(-1) ?? "";
      make("a", { href: server.address(file.path), download: name }).click();
    } catch (error) {
      fail(error);
    }
    bar.packing(false);
  }

  /** @param {unknown} error */
  function fail(error) {
    write(alert, /** @type {Error} */ (error).message);
    alert.hidden = false;
    const close = make("button", { type: "button", "aria-label": "Close this message" }, "×");
    close.addEventListener("click", () => {
      alert.hidden = true;
    });
    alert.append(close);
  }

  /**
   * @param {number} index
   * @param {Error} error
   */
  function failedPass(index, error) {
    fail(error);
    if (index === 0 && !explorer && scene.first.photo !== start.first.photo) update({ first: start.first });
    else if (index === 0 && sound && sound.photo !== scene.first.photo) {
      update({ first: sound }); // what cannot be looked at does not stay chosen
    }
  }

  /** @param {string} words */
  function say(words) {
    write(status, words);
  }

  function paintTheme() {
    const dark = explorer ? explorer.element.dataset.theme === "dark" : document.body.classList.contains("dark");
    root.dataset.theme = dark ? "dark" : "light";
  }

  function makeHeader() {
    const tabs = TABS.filter((tab) => tab !== "experiments" || settings.experiments.length).map((tab) => {
      const button = make("button", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": "dgrl-main" });
      button.append(tab.charAt(0).toUpperCase() + tab.slice(1));
      button.addEventListener("click", () => go(tab));
      return { tab, button };
    });
    const list = make("div", { role: "tablist", "aria-label": "Views", class: "tabs-above" });
    list.append(...tabs.map(({ button }) => button));
    list.addEventListener("keydown", (event) => {
      const at = tabs.findIndex(({ tab }) => tab === scene.tab);
      const last = tabs.length - 1;
      const moves = /** @type {Record<string, number>} */ ({
        ArrowRight: at === last ? 0 : at + 1,
        ArrowLeft: at === 0 ? last : at - 1,
        Home: 0,
        End: last,
      });
      const next = tabs[moves[event.key] ?? -1];
      if (!next) return;
      event.preventDefault();
      go(next.tab);
      next.button.focus();
    });
    const picture = make("img", { alt: "" });
    const name = make("span", {});
    const photo = make("button", { type: "button", class: "photo", click: () => source.open(0) }, picture, name);
    const checkpoint = make("select", { "aria-label": "Checkpoint" });
    checkpoint.append(...checkpoints.map((value) => make("option", { value }, value)));
    checkpoint.addEventListener("change", () => update({ first: { ...scene.first, checkpoint: checkpoint.value } }));
    const counts = Array.from({ length: settings.mostSteps + 1 }, (_, t) => ({ value: String(t), text: String(t) }));
    const steps = choice("T", counts, (value) => {
      const wanted = Number(value);
      update({ first: { ...scene.first, steps: wanted === trained(scene.first.checkpoint) ? null : wanted } });
    });
    steps.element.title = "How often the network looks again";
    const working = make("span", { class: "working", role: "status" });
    const link = make("button", { type: "button", click: () => copyLink() }, "Copy link");
    const zip = make("button", { type: "button", title: "Every number and picture of the pass, as one ZIP file" });
    zip.append("Download");
    zip.addEventListener("click", () => report());
    const api = make("a", { class: "button", href: "?view=api", title: "How programs ask the same" }, "API");
    api.addEventListener("click", (event) => {
      if (showApi()) event.preventDefault();
    });
    const field = make("input", { type: "text", readonly: true, "aria-label": "Link to this view" });
    const said = make("span", { role: "status" });
    const linked = make("div", { class: "linked", hidden: true }, field, said);
    const element = make(
      "header",
      { class: "above" },
      make("strong", { class: "brand" }, "DGRL"),
      list,
      make("div", { class: "picks" }, photo, ...(checkpoints.length > 1 ? [checkpoint] : []), steps.element),
      make("div", { class: "tools" }, working, link, zip, api),
      linked,
    );

    function draw() {
      for (const { tab, button } of tabs) {
        button.setAttribute("aria-selected", String(tab === scene.tab));
        button.tabIndex = tab === scene.tab ? 0 : -1;
      }
      picture.src = scene.first.photo.thumbnail;
      write(name, scene.first.photo.name);
      photo.setAttribute("aria-label", `Photo: ${scene.first.photo.name}. Choose another`);
      checkpoint.value = scene.first.checkpoint;
      steps.set(String(scene.first.steps ?? trained(scene.first.checkpoint)));
      linked.hidden = true;
    }

    return {
      element,
      draw,
      busy: (/** @type {boolean} */ on) => {
        root.toggleAttribute("data-busy", on);
        write(working, on ? "computing …" : "");
      },
      packing: (/** @type {boolean} */ on) => {
        zip.disabled = on;
        write(zip, on ? "Packing …" : "Download");
      },
      linked: (/** @type {string} */ address, /** @type {string} */ words) => {
        linked.hidden = false;
        field.value = address;
        write(said, words);
        field.select();
      },
    };
  }
}

/**
 * Open Gradio's page about the API, which it loads only when a button of its footer is pressed; app.css hides the footer.
 * @returns {boolean} whether there is such a button yet
 */
function showApi() {
  const button = /** @type {HTMLElement | null} */ (document.querySelector("footer .show-api"));
  button?.click();
  return !!button;
}

/** The same for a link that asks for it: Gradio then takes the page for open, without having loaded it, so shut it first. */
function showApiWhenItCanBe() {
  const waiting = new MutationObserver(() => showApi() && showApi() && waiting.disconnect());
  waiting.observe(document.body, { childList: true, subtree: true });
}

/**
 * The examples, and what the visitor gave before a reload of the page.
 * @param {Settings} settings
 * @param {import("./requests.js").Server} server
 * @returns {Photo[]}
 */
function photosOf({ examples }, server) {
  const offered = examples.map((one) => ({ ...one, example: true, thumbnail: server.address(one.thumbnail) }));
  try {
    return [...offered, ...JSON.parse(recall("dgrl-photos") ?? "[]")];
  } catch {
    return offered;
  }
}

/** @param {Photo[]} photos */
function keepOwn(photos) {
  keep("dgrl-photos", JSON.stringify(photos.filter(({ example }) => !example).slice(-20)));
}

/**
 * @param {Photo[]} photos
 * @param {string[]} checkpoints
 * @returns {Scene}
 */
function firstScene(photos, checkpoints) {
  const [photo = { name: "", path: "", example: true, mask: null, thumbnail: "" }] = photos;
  return {
    tab: "explore",
    first: { photo, checkpoint: checkpoints[0] ?? "", steps: null, edits: [] },
    second: null,
    view: {
      x: 0,
      y: 0,
      pinned: false,
      step: 99,
      map: "prediction",
      opacity: 0.8,
      arrangement: "beside",
      scale: 0.5,
      slot: 0,
      present: false,
    },
    why: { target: "pixel", method: "grad_cam", refined: false, level: "conv4" },
  };
}

/**
 * What stands above two passes: what they differ in.
 * @param {Scene} scene
 * @returns {string[]}
 */
function namesOf({ first, second }) {
  if (!second) return ["untouched", "altered"];
  if (second.photo !== first.photo) return [first.photo.name, second.photo.name];
  if (second.checkpoint !== first.checkpoint) return [first.checkpoint, second.checkpoint];
  return first.edits.length ? ["first", "second"] : ["untouched", "altered"];
}
