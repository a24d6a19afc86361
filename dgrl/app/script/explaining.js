// Why: which places of the photo speak for a number, and which against it.

import { choice, make, write } from "../../explorer/script/dom.js";
import { number, signed } from "../../explorer/script/numbers.js";
import { clamp } from "../../explorer/script/places.js";

/** @typedef {import("./links.js").Scene} Scene */

/**
 * @typedef {Object} Asked
 * @property {import("./links.js").Wish} wish the pass, whose edits are not meant
 * @property {Scene["why"]} why
 * @property {number} x the photo's pixel
 * @property {number} y
 * @property {number} step
 */

/**
 * @typedef {Object} Answer
 * @property {string} picture the address of the attribution over the photo
 * @property {{words: string, cells: number[][] | null, scale: {low: number, high: number, label: string}}} numbers
 */

/**
 * @typedef {Object} Explainer What computes answers: the app's server, or the static page itself.
 * @property {string[]} methods
 * @property {boolean} refined whether it can be asked about BRN
 * @property {string} lacks what it does not have, in a sentence
 * @property {(asked: Asked, stopping: {signal: AbortSignal, progress: (share: number) => void}) => Promise<Answer>} ask
 */

const ABOUT = /** @type {Record<string, string>} */ ({
  grad_cam: "Which of one block’s features the number rests on, where. One pass.",
  occlusion: "How much is lost when a window hides part of the photo. About 50 passes.",
  integrated_gradients: "What every pixel adds on the way from an unseen photo to the seen one. About 50 passes.",
});

/**
 * @param {Explainer} explainer
 * @param {{scene: () => Scene, pixel: () => {x: number, y: number}, update: (why: Partial<Scene["why"]>) => void, say: (words: string) => void}} host
 */
export function makeExplaining(explainer, host) {
  const target = choice(
    "What",
    [
      { value: "pixel", text: "this pixel" },
      { value: "object", text: "the object" },
      { value: "cell", text: "a cell of" },
    ],
    (value) => host.update({ target: value }),
  );
  const levels = ["conv3", "conv4", "conv5"].map((value) => ({ value, text: value }));
  const level = choice("level", levels, (value) => host.update({ level: value }));
  const refined = make("input", { type: "checkbox" });
  refined.addEventListener("change", () => host.update({ refined: refined.checked }));
  const after = make("label", { class: "check" }, refined, "after BRN");
  const methods = [
    { value: "grad_cam", text: "Grad-CAM" },
    { value: "occlusion", text: "Occlusion" },
    { value: "integrated_gradients", text: "Integrated Gradients" },
  ];
  const had = methods.filter(({ value }) => explainer.methods.includes(value));
  const method = choice("How", had, (value) => host.update({ method: value }));
  const about = make("p", { class: "prose" });
  const where = make("p", { class: "said" });
  const run = make("button", { type: "button", class: "primary", click: () => explain() }, "Explain");
  const stop = make("button", { type: "button", click: () => stopping?.abort() }, "Stop");
  const bar = make("progress", { max: 1, "aria-label": "Done" });
  const picture = make("img", { alt: "" });
  const cells = makeCells(picture);
  const scale = make("p", { class: "prose" });
  const words = make("p", {});
  const result = make("div", { class: "result" }, cells.element, cells.said, scale, words);
  const element = make(
    "section",
    { class: "aside explaining", "aria-label": "Why" },
    make("header", {}, make("h2", {}, "Why?")),
    make("p", { class: "prose" }, "Which places of the photo a number rests on. Click the picture to choose a pixel."),
    make("div", { class: "row" }, target.element, level.element, after),
    where,
    make("div", { class: "row" }, method.element),
    about,
    ...(explainer.lacks ? [make("p", { class: "prose" }, explainer.lacks)] : []),
    make("div", { class: "row" }, run, stop, bar),
    result,
  );
  /** @type {AbortController | null} */
  let stopping = null;
  let answered = "";

  /** What is asked, as far as the answer depends on it. */
  function question() {
    const { first, why, view } = host.scene();
    const { x, y } = host.pixel();
    const { step } = view;
    const place = why.target === "object" ? [] : [x, y];
    return JSON.stringify([first.photo.path, first.checkpoint, first.steps, why, step, place]);
  }

  function draw() {
    const { why, view } = host.scene();
    target.set(why.target);
    method.set(why.method);
    level.set(why.level);
    level.element.hidden = why.target !== "cell";
    after.hidden = why.target !== "pixel" || !explainer.refined;
    refined.checked = why.refined;
    write(about, ABOUT[why.method] ?? "");
    const { x, y } = host.pixel();
    const place = `column ${x}, row ${y}`;
    const moment = why.target === "pixel" && why.refined ? "after BRN" : `at t = ${view.step}`;
    const what = {
      pixel: `RLN’s evidence at ${place}, ${moment}`.replace(why.refined ? "RLN" : "\u0000", "BRN"),
      object: `RLN’s mean evidence over the object, ${moment}`,
      cell: `The weight of ${why.level}’s cell at ${place}, ${moment}`,
    };
    write(where, what[/** @type {"pixel"} */ (why.target)]);
    // An answer to another question is no answer.
    if (answered !== question()) forget();
  }

  function forget() {
    answered = "";
    stopping?.abort();
    stopping = null;
    result.hidden = true;
    picture.removeAttribute("src");
    cells.set(null, "");
    write(words, "");
    working(false);
  }

  /** @param {boolean} on */
  function working(on) {
    run.disabled = on;
    stop.hidden = bar.hidden = !on;
    if (on) bar.removeAttribute("value");
  }

  async function explain() {
    forget();
    const { first, why, view } = host.scene();
    const own = question();
    answered = own;
    const stopped = new AbortController();
    stopping = stopped;
    working(true);
    const { x, y } = host.pixel();
    const progress = (/** @type {number} */ share) => {
      bar.value = share;
    };
    try {
      const asked = { wish: first, why, x, y, step: view.step };
      const found = await explainer.ask(asked, { signal: stopped.signal, progress });
      if (answered !== own || stopped.signal.aborted) return;
      const { numbers } = found;
      picture.src = found.picture;
      picture.alt = `Attribution over the photo: ${numbers.words}`;
      const { low, high, label } = numbers.scale;
      cells.set(numbers.cells, label);
      write(scale, `red for it, blue against it; from ${number(low, 3)} to ${number(high, 3)} ${label}`);
      write(words, numbers.words);
      result.hidden = false;
      host.say(numbers.words);
    } catch (error) {
      if (stopped.signal.aborted) host.say("Stopped. Nothing is being computed.");
      else if (answered === own) {
        result.hidden = false;
        write(words, /** @type {Error} */ (error).message);
      }
    } finally {
      if (stopping === stopped) {
        stopping = null;
        working(false);
      }
    }
  }

  forget();
  return { element, draw };
}

/**
 * The picture of an answer; where the answer has cells, whoever points at one reads its number.
 * @param {HTMLImageElement} picture
 */
function makeCells(picture) {
  const ring = make("div", { class: "cell", hidden: true });
  const element = make("div", { class: "attributed" }, picture, ring);
  const said = make("p", { class: "said", role: "status" });
  /** @type {number[][] | null} */
  let values = null;
  let unit = "";
  let at = { row: 0, column: 0 };
  picture.addEventListener("load", () => {
    element.style.setProperty("--ratio", String(picture.naturalWidth / picture.naturalHeight));
  });
  for (const name of ["pointermove", "pointerdown"]) element.addEventListener(name, point);
  element.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!move || !values) return;
    event.preventDefault();
    show(at.row + (move[0] ?? 0), at.column + (move[1] ?? 0));
  });

  /** @param {Event} event */
  function point(event) {
    const { clientX, clientY } = /** @type {PointerEvent} */ (event);
    const box = picture.getBoundingClientRect();
    const n = values?.length ?? 0;
    show(Math.floor(((clientY - box.top) * n) / box.height), Math.floor(((clientX - box.left) * n) / box.width));
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  function show(row, column) {
    if (!values) return;
    const n = values.length;
    at = { row: clamp(row, 0, n - 1), column: clamp(column, 0, n - 1) };
    const value = /** @type {number} */ (values[at.row]?.[at.column]);
    const share = (/** @type {number} */ cells) => `${(100 * cells) / n}%`;
    Object.assign(ring.style, { left: share(at.column), top: share(at.row), width: share(1), height: share(1) });
    ring.hidden = false;
    write(said, `Row ${at.row}, column ${at.column} of ${n} × ${n} cells: ${signed(value, 3)} ${unit}`);
  }

  /**
   * @param {number[][] | null} found
   * @param {string} label what the numbers are
   */
  function set(found, label) {
    values = found;
    unit = label;
    ring.hidden = true;
    said.hidden = !found;
    const told = { tabindex: "0", role: "application", "aria-label": "Cells: arrow keys move from one to the next" };
    for (const [name, value] of Object.entries(told)) {
      if (found) element.setAttribute(name, value);
      else element.removeAttribute(name);
    }
    write(said, "Point at a cell, and its effect stands here.");
  }

  return { element, said, set };
}
