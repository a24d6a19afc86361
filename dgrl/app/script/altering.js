// Alter: what is changed in the second pass, as a list of edits, and the controls that change it.

import { choice, make, write } from "../../explorer/script/dom.js";
import { readMask, writeMask } from "../../explorer/script/masks.js";
import { number, signed } from "../../explorer/script/numbers.js";

/** @typedef {import("./links.js").Edit} Edit */
/** @typedef {import("../../explorer/script/painting.js").Mask} Mask */
/** @typedef {{edits: Edit[], steps: number | null}} Altered */

const LEVELS = ["conv3", "conv4", "conv5"];
const BLOCKS = ["conv2", ...LEVELS];
const MASK_LENGTH = 128;
const REFINING = [
  { value: "own", text: "own kernels", title: "As BRN computes them" },
  { value: "mean", text: "one for all", title: "The mean of all kernels of the picture, at every pixel" },
  { value: "unrefined", text: "before BRN", title: "The map as it was before refinement" },
];

/**
 * The edits without those of a kind, or of a kind and place.
 * @param {Edit[]} edits
 * @param {string[]} kinds
 * @param {string} [place] a level or block
 */
export const without = (edits, kinds, place) =>
  edits.filter((edit) => !kinds.includes(edit.kind) || (place && (edit.level ?? edit.block) !== place));

/**
 * @param {Edit[]} edits
 * @param {string} kind
 * @param {string} place
 */
const found = (edits, kind, place) => edits.find((edit) => edit.kind === kind && (edit.level ?? edit.block) === place);

/**
 * The edits in words.
 * @param {Edit[]} edits
 * @returns {string}
 */
export function describe(edits) {
  /** @param {Edit} edit */
  const when = ({ at }) => (at === null || at === undefined ? "" : ` at t = ${at}`);
  return edits
    .map((edit) => {
      if (edit.kind === "flatten") return `${edit.level} flat${when(edit)}`;
      if (edit.kind === "paint") return `${edit.level} painted ×${edit.strength ?? 4}${when(edit)}`;
      if (edit.kind === "feedback")
        return `feedback into ${edit.block} ${edit.factor ? `×${edit.factor}` : "cut"}${when(edit)}`;
      if (edit.kind === "kernels") return edit.to === "mean" ? "one mean kernel" : "identity kernels";
      return "before BRN";
    })
    .join(", ");
}

/**
 * A mask of where a map is above one half: the found object.
 * @param {Float32Array} values
 * @param {{width: number, height: number}} grid
 * @param {{width: number, height: number}} photo
 * @returns {Mask}
 */
export function objectMask(values, grid, photo) {
  const factor = MASK_LENGTH / Math.max(photo.width, photo.height);
  const width = Math.max(1, Math.round(photo.width * factor));
  const height = Math.max(1, Math.round(photo.height * factor));
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const column = Math.floor((((i % width) + 0.5) * grid.width) / width);
    const row = Math.floor(((Math.floor(i / width) + 0.5) * grid.height) / height);
    data[i] = (values[row * grid.width + column] ?? 0) > 0.5 ? 255 : 0;
  }
  return { width, height, data };
}

/**
 * @typedef {Object} AlterHost
 * @property {() => Altered} altered
 * @property {(next: Altered, handle?: string) => void} change by a handle, if one is dragged
 * @property {() => number} trained time steps T of the untouched pass
 * @property {number} mostSteps
 * @property {(map: string) => void} look show this map
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {() => void} reset
 * @property {() => {undo: boolean, redo: boolean}} can
 * @property {() => Mask | null} object
 * @property {(settings: {on?: boolean, rub?: boolean, strength?: number, radius?: number, level?: string}) => void} brush
 * @property {() => {on: boolean, rub: boolean, strength: number, radius: number, level: string}} brushing
 */

/** @param {AlterHost} host */
export function makeAltering(host) {
  let at = "every";
  const undo = make("button", { type: "button", click: () => host.undo() }, "Undo");
  const redo = make("button", { type: "button", click: () => host.redo() }, "Redo");
  const reset = make("button", { type: "button", click: () => host.reset() }, "Reset");

  /**
   * @param {(edits: Edit[]) => Edit[]} change
   * @param {string} [handle]
   */
  const edit = (change, handle) => host.change({ ...host.altered(), edits: change(host.altered().edits) }, handle);
  const moment = () => (at === "every" ? null : Number(at));

  const rows = LEVELS.map((level) => {
    const flat = make("button", { type: "button", "aria-pressed": "false", click: () => flatten(level) }, "flat");
    const paint = make("button", { type: "button", "aria-pressed": "false", click: () => take(level) }, "brush");
    const object = make("button", { type: "button", click: () => paintObject([level]) }, "object");
    const clear = make("button", { type: "button", click: () => edit((edits) => without(edits, ["paint"], level)) });
    clear.append("clear");
    for (const [button, words] of /** @type {[HTMLElement, string][]} */ ([
      [flat, `Make ${level}’s weight map flat`],
      [paint, `Paint on ${level}’s weight map with the brush`],
      [object, `Paint the found object on ${level}’s weight map`],
      [clear, `Clear the paint off ${level}’s weight map`],
    ])) {
      // Whoever says what is to be read on it must be understood (WCAG 2.5.3).
      button.setAttribute("aria-label", `${button.textContent}: ${words}`);
      button.title = words;
    }
    const element = make("div", { class: "row" }, make("span", { class: "term" }, level), flat, paint, object, clear);
    return { level, flat, paint, object, clear, element };
  });

  /** @param {string} level */
  function flatten(level) {
    edit((edits) =>
      found(edits, "flatten", level)
        ? without(edits, ["flatten"], level)
        : [...edits, { kind: "flatten", level, at: moment() }],
    );
  }

  /** @param {string} level */
  function take(level) {
    const { on, level: before } = host.brushing();
    host.brush({ on: !(on && before === level), level });
    draw();
  }

  /** The found object's mask; null where none is found. */
  function foundObject() {
    const mask = host.object();
    return mask?.data.some(Boolean) ? mask : null;
  }

  /** @param {string[]} levels */
  function paintObject(levels) {
    const mask = foundObject();
    if (!mask) return;
    const { strength } = host.brushing();
    const painted = levels.map(
      (level) => /** @type {Edit} */ ({ kind: "paint", level, strength, mask: writeMask(mask), at: moment() }),
    );
    edit((edits) => [...edits.filter((one) => one.kind !== "paint" || !levels.includes(one.level ?? "")), ...painted]);
  }

  const all = make("button", { type: "button", click: () => paintObject(LEVELS) }, "Paint the found object");
  const even = make("button", { type: "button", click: () => flattenAll() }, "All flat");
  function flattenAll() {
    edit((edits) => [
      ...without(edits, ["flatten"]),
      ...LEVELS.map((level) => /** @type {Edit} */ ({ kind: "flatten", level, at: moment() })),
    ]);
  }

  const ink = choice(
    "Brush",
    [
      { value: "4", text: "×4", title: "Painted weights count four times as much" },
      { value: "0", text: "×0", title: "Painted weights do not count at all" },
      { value: "rub", text: "rub out", title: "Take paint away" },
    ],
    (value) => host.brush(value === "rub" ? { rub: true } : { rub: false, strength: Number(value) }),
  );
  const size = make("input", { type: "range", min: 0.02, max: 0.2, step: 0.01, "aria-label": "Size of the brush" });
  size.addEventListener("input", () => host.brush({ radius: Number(size.value) }));
  const times = make("div", {});

  const factors = BLOCKS.map((block) => {
    const input = make("input", { type: "range", min: 0, max: 2, step: 0.25, "aria-label": `Feedback into ${block}` });
    const output = make("output", { "aria-live": "off" });
    input.addEventListener("input", () => {
      const factor = Number(input.value);
      write(output, `×${factor}`);
      edit(
        (edits) => [
          ...without(edits, ["feedback"], block),
          ...(factor === 1 ? [] : [/** @type {Edit} */ ({ kind: "feedback", block, factor, at: null })]),
        ],
        block,
      );
    });
    return {
      block,
      input,
      output,
      element: make("label", { class: "factor" }, make("span", {}, block), input, output),
    };
  });
  const cut = make("button", { type: "button", click: () => cutAll() }, "Cut all");
  function cutAll() {
    edit((edits) => [
      ...without(edits, ["feedback"]),
      ...BLOCKS.map((block) => /** @type {Edit} */ ({ kind: "feedback", block, factor: 0, at: null })),
    ]);
  }

  const refining = choice("BRN", REFINING, (value) => {
    host.look("refined"); // of all maps this alone changes
    edit((edits) => {
      const rest = without(edits, ["kernels", "unrefined"]);
      if (value === "own") return rest;
      return [...rest, value === "mean" ? { kind: "kernels", to: "mean" } : { kind: "unrefined" }];
    });
  });
  const counts = Array.from({ length: host.mostSteps + 1 }, (_, t) => ({ value: String(t), text: String(t) }));
  const steps = choice("T", counts, (value) => host.change({ ...host.altered(), steps: Number(value) }));
  const said = make("p", { class: "said" });
  const effect = make("div", { class: "effect" });
  const brush = make("div", { class: "row" }, ink.element, size);
  const element = make(
    "section",
    { class: "aside altering", "aria-label": "Alter" },
    make("header", {}, make("h2", {}, "Alter"), make("div", { class: "buttons" }, undo, redo, reset)),
    group("Where it looks", times, ...rows.map((row) => row.element), make("div", { class: "row" }, even, all), brush),
    group("What it feeds back", cut, make("div", { class: "factors" }, ...factors.map((one) => one.element))),
    group("How often it looks", steps.element, refining.element),
    make("div", { class: "outcome" }, said, effect),
  );

  function build() {
    const T = host.altered().steps ?? host.trained();
    const values = ["every", ...Array.from({ length: T + 1 }, (_, t) => String(t))];
    if (!values.includes(at)) at = "every";
    const moments = choice(
      "at t =",
      values.map((value) => ({ value, text: value })),
      (value) => {
        at = value;
        // What has been altered so far moves along.
        edit((edits) => edits.map((one) => (["flatten", "paint"].includes(one.kind) ? { ...one, at: moment() } : one)));
      },
    );
    moments.set(at);
    times.replaceChildren(moments.element);
  }

  function draw() {
    const { edits, steps: T } = host.altered();
    const can = host.can();
    undo.disabled = !can.undo;
    redo.disabled = !can.redo;
    reset.disabled = !edits.length && (T === null || T === host.trained());
    const timed = edits.find((edit) => edit.kind === "flatten" || edit.kind === "paint");
    if (timed) at = timed.at === null || timed.at === undefined ? "every" : String(timed.at);
    build();
    const brushing = host.brushing();
    all.disabled = !foundObject();
    for (const { level, flat, paint, object, clear } of rows) {
      object.disabled = all.disabled;
      flat.setAttribute("aria-pressed", String(!!found(edits, "flatten", level)));
      paint.setAttribute("aria-pressed", String(brushing.on && brushing.level === level));
      clear.hidden = !found(edits, "paint", level);
    }
    brush.hidden = !brushing.on;
    ink.set(brushing.rub ? "rub" : String(brushing.strength));
    size.value = String(brushing.radius);
    for (const { block, input, output } of factors) {
      const factor = found(edits, "feedback", block)?.factor ?? 1;
      input.value = String(factor);
      write(output, `×${factor}`);
    }
    const kernels = edits.find((edit) => edit.kind === "kernels" || edit.kind === "unrefined");
    refining.set(!kernels ? "own" : kernels.kind === "unrefined" ? "unrefined" : String(kernels.to));
    steps.set(String(T ?? host.trained()));
    const words = describe(edits);
    const more = T !== null && T !== host.trained() ? `T = ${T} instead of ${host.trained()}` : "";
    write(said, [words, more].filter(Boolean).join(", ") || "Nothing is altered yet.");
  }

  /**
   * What the change did, in numbers; null while it is not known.
   * @param {any} changes
   */
  function show(changes) {
    if (!changes) {
      effect.replaceChildren();
      return;
    }
    const head = ["mean saliency", "untouched", "altered", "change"].map((text) => make("th", { scope: "col" }, text));
    const lines = [
      ["RLN, inside", changes.localised, "inside"],
      ["RLN, outside", changes.localised, "outside"],
      ["BRN, inside", changes.refined, "inside"],
      ["BRN, outside", changes.refined, "outside"],
    ].flatMap(([name, pair, key]) => {
      const [before, after] = [pair.untouched[key], pair.altered[key]];
      if (before === null || after === null) return [];
      const cells = [number(before, 3), number(after, 3), signed(after - before, 3)];
      return [make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text)))];
    });
    const mean = number(changes.refined.mean_absolute_difference, 4);
    effect.replaceChildren(
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines)),
      make("p", { class: "prose" }, `inside and outside the object found; on average ±${mean} after BRN`),
    );
  }

  /**
   * What the brush has painted, as an edit.
   * @param {{level: string, strength: number, mask: Mask}} painting
   */
  function painted({ level, strength, mask }) {
    const rest = without(host.altered().edits, ["paint"], level);
    const there = mask.data.some(Boolean);
    /** @type {Edit} */
    const one = { kind: "paint", level, strength, mask: writeMask(mask), at: moment() };
    return there ? [...rest, one] : rest;
  }

  return { element, draw, show, painted };
}

/**
 * The masks of the edits, by level.
 * @param {Edit[]} edits
 */
export const masksOf = (edits) =>
  edits.flatMap((edit) => {
    const mask = edit.kind === "paint" ? readMask(edit.mask) : null;
    return mask ? [{ level: String(edit.level), at: edit.at ?? null, strength: edit.strength ?? 4, mask }] : [];
  });

/**
 * The masks as the explorer holds them: one for each step that is painted.
 * @param {Edit[]} edits
 * @param {number} count of steps
 */
export const heldMasks = (edits, count) =>
  masksOf(edits).flatMap(({ level, at, mask }) =>
    Array.from({ length: count }, (_, step) => ({ step, level, mask })).filter((one) => at === null || one.step === at),
  );

/**
 * Some controls under a heading, the first beside it.
 * @param {string} name
 * @param {HTMLElement} first
 * @param {...HTMLElement} rest
 */
function group(name, first, ...rest) {
  const head = make("div", { class: "row spread" }, make("h3", { class: "minor" }, name), first);
  return make("div", { class: "part" }, head, ...rest);
}
