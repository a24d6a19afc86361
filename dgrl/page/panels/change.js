// Change: what is edited in the second pass, and the controls for it.

import { button, choice, fill, make, picker, write } from "../dom.js";
import { changesOf } from "../numbers/compare.js";
import { number, signed } from "../numbers/format.js";
import { objectMask } from "../numbers/found.js";
import { writeMask } from "../numbers/masks.js";
import { foundOf } from "../stage/shown.js";
import { describe, feedbackOf, kernelsOf, tapName, tapOf } from "../state/edits.js";
import { passIn, stepOf, stepsOf } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 */

const KERNELS = [
  { value: "own", text: "one kernel per pixel", testid: "kernels-own" },
  { value: "mean", text: "one average kernel", testid: "kernels-mean" },
  { value: "unrefined", text: "no sharpening", testid: "kernels-unrefined" },
];
const TOOLS = [
  { value: "point", text: "off", title: "The pointer shows values", testid: "tool-point" },
  { value: "brush", text: "brush", title: "Paint attention on the map that is shown", testid: "tool-brush" },
  { value: "erase", text: "erase", title: "Take paint away", testid: "tool-erase" },
];

/**
 * @param {HTMLElement} element
 * @param {Store} store
 */
export function mountChange(element, store) {
  const undo = button("Undo", () => store.dispatch({ type: "undo" }), { "data-testid": "undo" });
  const redo = button("Redo", () => store.dispatch({ type: "redo" }), { "data-testid": "redo" });
  const reset = button("Reset", () => store.dispatch({ type: "reset" }), { "data-testid": "reset" });
  const statusLine = make("p", { class: "said", role: "status" });
  const parts = [
    makePrompt(store),
    makeAttention(store),
    makeMemory(store),
    makeSharpening(store),
    makePatch(store),
    makeEffect(),
  ];
  element.append(
    make("header", {}, make("h2", {}, "Change"), make("div", { class: "buttons" }, undo, redo, reset)),
    statusLine,
    ...parts.map((part) => part.element),
  );

  /** @param {State} state */
  function draw(state) {
    const { slots } = state.scene;
    undo.disabled = !state.past.length;
    redo.disabled = !state.future.length;
    reset.disabled = !slots[1];
    const text = slots[1] ? describe(slots[1].edits) : "";
    write(statusLine, text ? `Changed: ${text}.` : "Nothing is changed yet.");
    for (const part of parts) part.draw(state);
  }

  const stop = store.subscribe((state, before) => {
    if (state.scene.view !== "change") return;
    const pointed =
      state.scene.slots === before.scene.slots && state.passes === before.passes && state.scene.x !== before.scene.x;
    if (!pointed) draw(state);
  });
  draw(store.state);
  return stop;
}

/**
 * @param {string} title
 * @param {...(Node | string)} children
 */
const group = (title, ...children) => make("section", { class: "group" }, make("h3", {}, title), ...children);

/** Edits of the second pass. @param {State} state */
const editsOf = ({ scene }) => scene.slots[1]?.edits ?? [];

/** @param {Store} store */
function makePrompt(store) {
  const tool = (/** @type {string} */ value) =>
    store.dispatch({
      type: "set",
      changes: { tool: store.state.scene.tool === value ? "point" : value, map: "result", frames: null },
    });
  const click = button("Click the object", () => tool("click"), { "data-testid": "prompt-click" });
  const box = button("Drag a box", () => tool("box"), { "data-testid": "prompt-box" });
  const clear = button("Clear", () => store.dispatch({ type: "prompt", prompt: null }));
  const element = group("Which object is meant?", make("div", { class: "row" }, click, box, clear));
  return {
    element,
    /** @param {State} state */
    draw(state) {
      click.setAttribute("aria-pressed", String(state.scene.tool === "click"));
      box.setAttribute("aria-pressed", String(state.scene.tool === "box"));
      clear.disabled = !editsOf(state).some(({ kind }) => kind === "prompt");
    },
  };
}

/** @param {Store} store */
function makeAttention(store) {
  const rows = vocabulary.levels.map(({ name, word }) => {
    const show = button(word, () => store.dispatch({ type: "select", map: name, step: 0 }), {
      class: "link",
      title: `Show the ${word} attention of look 1`,
    });
    const flat = button("same everywhere", () => store.dispatch({ type: "flatten", level: name }), {
      "data-testid": `flatten-${name}`,
    });
    const object = button("paint object", () => paintObject(store, name), { "data-testid": `object-${name}` });
    return {
      name,
      show,
      flat,
      object,
      element: make("div", { class: "row level" }, show, flat, object),
    };
  });
  const flattenAll = button("All the same everywhere", () => store.dispatch({ type: "flatten", level: "all" }), {
    "data-testid": "flatten-all",
  });
  const paintFound = button("Paint the found object", () => paintObject(store, "all"), { "data-testid": "object-all" });
  const clear = button("Clear paint", () => store.dispatch({ type: "paint", level: "all", mask: null }));
  const tools = choice("Brush", TOOLS, (tool) => {
    const { map } = store.state.scene;
    const painting = tool !== "point" && !vocabulary.levels.some(({ name }) => name === map);
    store.dispatch({ type: "set", changes: { tool, ...(painting ? { map: "conv4", step: 0, frames: null } : {}) } });
  });
  const strengths = [4, 0].map((value) => ({
    value: String(value),
    text: value ? `× ${value}` : "ignore",
    title: value ? "Painted cells count four times as much" : "Painted cells do not count",
  }));
  const strength = choice("Paint", strengths, (value) =>
    store.dispatch({ type: "brush", changes: { strength: Number(value) } }),
  );
  const size = make("input", { type: "range", min: 0.02, max: 0.2, step: 0.01, "aria-label": "Size of the brush" });
  size.addEventListener("input", () => store.dispatch({ type: "brush", changes: { radius: Number(size.value) } }));
  const stepChoice = make("div", {});
  const brush = make("div", { class: "row" }, strength.element, size);
  const element = group(
    "Attention",
    stepChoice,
    ...rows.map((row) => row.element),
    make("div", { class: "row" }, flattenAll, paintFound, clear),
    tools.element,
    brush,
  );
  return {
    element,
    /** @param {State} state */
    draw(state) {
      const edits = editsOf(state);
      const { brush: settings, tool, slots } = state.scene;
      for (const { name, show, flat, object } of rows) {
        flat.setAttribute(
          "aria-pressed",
          String(edits.some(({ kind, level }) => kind === "flatten" && level === name)),
        );
        show.setAttribute("aria-pressed", String(state.scene.map === name));
        object.disabled = !hasObject(state);
      }
      paintFound.disabled = !hasObject(state);
      clear.disabled = !edits.some(({ kind }) => kind === "paint");
      tools.set(tool);
      brush.hidden = tool !== "brush" && tool !== "erase";
      strength.set(String(settings.strength));
      size.value = String(settings.radius);
      const last = stepsOf(state, slots[1] ?? slots[0]);
      fill(stepChoice, last, () => [momentChoice(store, last)]);
      const input = stepChoice.querySelectorAll("input")[settings.at === null ? 0 : settings.at + 1];
      if (input) input.checked = true;
    },
  };
}

/**
 * @param {Store} store
 * @param {number} last T
 */
function momentChoice(store, last) {
  const looks = Array.from({ length: last + 1 }, (_, at) => ({ value: String(at), text: `look ${at + 1}` }));
  return choice("When", [{ value: "every", text: "every look" }, ...looks], (value) =>
    store.dispatch({ type: "moment", at: value === "every" ? null : Number(value) }),
  ).element;
}

/** @param {State} state */
function hasObject(state) {
  const pass = passIn(state, 0)?.pass;
  return !!(pass && foundOf(pass)?.share);
}

/**
 * Paint the object that the first pass found.
 * @param {Store} store
 * @param {string} level or "all"
 */
function paintObject(store, level) {
  const pass = passIn(store.state, 0)?.pass;
  if (!pass) return;
  const refined = /** @type {Float32Array} */ (pass.arrays[`brn.round${pass.header.propagations}`]);
  const mask = writeMask(objectMask(refined, pass.header.brn, pass.header.photo));
  store.dispatch({ type: "paint", level, mask });
}

/** @param {Store} store */
function makeMemory(store) {
  const sliders = vocabulary.blocks.map((block) => {
    const input = make("input", {
      type: "range",
      min: 0,
      max: 2,
      step: 0.25,
      "aria-label": `Memory into ${block}`,
      "data-testid": `feedback-${block}`,
    });
    const output = make("output", { "aria-live": "off" });
    input.addEventListener("input", () =>
      store.dispatch({ type: "feedback", block, factor: Number(input.value), gesture: `feedback ${block}` }),
    );
    return {
      block,
      input,
      output,
      element: make("label", { class: "factor" }, make("span", {}, block), input, output),
    };
  });
  const none = button(
    "No memory",
    () => store.dispatch({ type: "feedback", block: "all", factor: allCut(store.state) ? 1 : 0 }),
    { "data-testid": "feedback-all" },
  );
  const statusLine = make("p", { class: "quiet", role: "status" }, "One look has no memory: there is nothing to cut.");
  const element = group("Memory between looks", none, ...sliders.map((slider) => slider.element), statusLine);
  return {
    element,
    /** @param {State} state */
    draw(state) {
      const { slots } = state.scene;
      const single = stepsOf(state, slots[1] ?? slots[0]) === 0;
      statusLine.hidden = !single;
      none.disabled = single;
      none.setAttribute("aria-pressed", String(allCut(state)));
      for (const { block, input, output } of sliders) {
        const factor = feedbackOf(editsOf(state), block);
        input.value = String(factor);
        input.disabled = single;
        write(output, `× ${factor}`);
      }
    },
  };
}

/** @param {State} state */
const allCut = (state) => vocabulary.blocks.every((block) => feedbackOf(editsOf(state), block) === 0);

/** @param {Store} store */
function makeSharpening(store) {
  const kernels = choice("Kernels", KERNELS, (to) => store.dispatch({ type: "kernels", to }));
  const element = group("Sharpen outlines (BRN)", kernels.element);
  return {
    element,
    /** @param {State} state */
    draw: (state) => kernels.set(kernelsOf(editsOf(state))),
  };
}

/** Take the map on the stage from another photo's pass, or another checkpoint's. @param {Store} store */
function makePatch(store) {
  const statusLine = make("p", { class: "quiet" });
  const photo = picker("Photo", (value) => patchFrom({ ...chosen(store.state), photo: value }));
  const checkpoint = picker("Checkpoint", (value) => patchFrom({ ...chosen(store.state), checkpoint: value }));
  const element = group("Take this map from …", statusLine, photo.element, checkpoint.element);

  /** @param {State} state */
  function tapIn(state) {
    const { slots, map, step } = state.scene;
    return tapOf(map, stepOf(state, slots[1] ?? slots[0], step));
  }

  /** @param {State} state */
  function chosen(state) {
    const patch = editsOf(state).find(({ kind, tap }) => kind === "patch" && tap === tapIn(state));
    return { photo: patch?.photo ?? "", checkpoint: patch?.checkpoint ?? "" };
  }

  /** @param {{photo: string, checkpoint: string}} otherPass */
  function patchFrom(otherPass) {
    const setFields = Object.fromEntries(Object.entries(otherPass).filter(([, value]) => value));
    store.dispatch({
      type: "patch",
      tap: tapIn(store.state),
      other: Object.keys(setFields).length ? setFields : null,
    });
  }

  return {
    element,
    /** @param {State} state */
    draw(state) {
      const tap = tapIn(state);
      const [{ photo: shownPhoto, checkpoint: shownCheckpoint }] = state.scene.slots;
      const optionsWithout = (/** @type {{name: string}[]} */ items, /** @type {string} */ excluded) => [
        { value: "", text: "this one" },
        ...items.filter(({ name }) => name !== excluded).map(({ name }) => ({ value: name, text: name })),
      ];
      const source = chosen(state);
      photo.set(optionsWithout(state.photos, shownPhoto), source.photo);
      checkpoint.set(optionsWithout(state.checkpoints, shownCheckpoint), source.checkpoint);
      photo.element.hidden = !tap;
      checkpoint.element.hidden = !tap || state.checkpoints.length < 2;
      const hint = "Show an attention map or a prediction on the stage; another pass can give it.";
      write(statusLine, tap ? `Put ${tapName(tap)} of another pass in the place of this one’s.` : hint);
    },
  };
}

/** What the change did, in numbers. */
function makeEffect() {
  const table = make("table", { class: "effect" });
  const statusLine = make("p", { class: "quiet" });
  const element = make(
    "section",
    { class: "group", "aria-label": "Effect" },
    make("h3", {}, "Effect"),
    table,
    statusLine,
  );
  /** @type {[unknown, unknown, ReturnType<typeof changesOf> | null]} */
  let compared = [null, null, null];
  return {
    element,
    /** @param {State} state */
    draw(state) {
      const [first, second] = [passIn(state, 0)?.pass ?? null, passIn(state, 1)?.pass ?? null];
      const bothReady = [first, second].every((pass) => pass?.arrays["brn.round0"]);
      element.hidden = !bothReady;
      if (!bothReady || !first || !second) return;
      if (compared[0] !== first || compared[1] !== second)
        compared = [first, second, changesOf(first, second, vocabulary.found)];
      const changes = compared[2];
      if (!changes) return;
      const rows = effectRows(changes);
      fill(table, rows, () => [
        make(
          "tr",
          {},
          ...["mean saliency", "original", "changed", "difference"].map((text) => make("th", { scope: "col" }, text)),
        ),
        ...rows.map(([name = "", ...cells]) =>
          make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((text) => make("td", {}, text))),
        ),
      ]);
      write(statusLine, `The result differs by ${number(changes.refined.mean_absolute_difference, 4)} on average.`);
    },
  };
}

/** @param {NonNullable<ReturnType<typeof changesOf>>} changes */
function effectRows({ localised, refined }) {
  const rows = /** @type {const} */ ([
    ["on the object, before sharpening", localised, "inside"],
    ["elsewhere, before sharpening", localised, "outside"],
    ["on the object, sharpened", refined, "inside"],
    ["elsewhere, sharpened", refined, "outside"],
  ]);
  return rows.flatMap(([name, pair, key]) => {
    const [before, after] = [pair.untouched[key], pair.altered[key]];
    return before === null || after === null
      ? []
      : [[name, number(before, 3), number(after, 3), signed(after - before, 3)]];
  });
}
