// The panel below the stage: how many steps, and what is altered.

import { choice, make } from "../../dgrl/explorer/script/dom.js";
import { BLOCKS, KERNEL_WORDS, KERNELS, LEVELS } from "./alterations.js";

/** @typedef {import("./alterations.js").Alterations} Alterations */

const MOST_STEPS = 4;
const MOST_FEEDBACK = 2;

/**
 * @param {HTMLElement} element is filled
 * @param {boolean} context whether there are weight maps
 * @param {{steps: (steps: number) => void, alter: (changes: Partial<Alterations>) => void, undo: () => void,
 *   reset: () => void}} told
 */
export function makeControls(element, context, told) {
  const steps = choice(
    "Time steps T =",
    Array.from({ length: MOST_STEPS + 1 }, (_, t) => ({ value: String(t), text: String(t) })),
    (value) => told.steps(Number(value)),
  );
  const flat = LEVELS.map((level) => {
    const input = make("input", { type: "checkbox", value: level, change: () => told.alter({ flat: checked() }) });
    return { level, input, label: make("label", {}, input, level) };
  });
  const checked = () => flat.filter(({ input }) => input.checked).map(({ level }) => level);
  const at = make("select", { "aria-label": "At which step", change: () => told.alter({ at: at.value }) });
  const feedback = BLOCKS.map((block) => {
    const output = make("output", {}, "1");
    const range = make("input", {
      type: "range",
      min: 0,
      max: MOST_FEEDBACK,
      step: 0.25,
      value: 1,
      "aria-label": `Feedback into ${block}`,
      input: () => told.alter({ feedback: Object.fromEntries(feedback.map((one) => [one.block, one.value()])) }),
    });
    const value = () => Number(range.value);
    return { block, range, output, value, label: make("label", {}, block, " ", range, output) };
  });
  const kernels = choice(
    "Kernels",
    KERNELS.map((value) => ({ value, text: KERNEL_WORDS[value] })),
    (value) => told.alter({ kernels: /** @type {Alterations["kernels"]} */ (value) }),
  );
  const undo = make("button", { type: "button", click: told.undo }, "Undo");
  const reset = make("button", { type: "button", click: told.reset }, "Reset");
  const maps = make("fieldset", {}, make("legend", {}, "Flat weight maps"), ...flat.map(({ label }) => label), at);
  maps.hidden = !context;
  element.replaceChildren(
    steps.element,
    maps,
    make("fieldset", {}, make("legend", {}, "Feedback ×"), ...feedback.map(({ label }) => label)),
    kernels.element,
    make("div", {}, undo, " ", reset),
  );

  /**
   * @param {Alterations} altered
   * @param {number} count T
   * @param {boolean} undoes whether there is something to undo
   */
  function draw(altered, count, undoes) {
    steps.set(String(count));
    for (const { level, input } of flat) input.checked = altered.flat.includes(level);
    const choices = ["every", ...Array.from({ length: count + 1 }, (_, t) => String(t))];
    at.replaceChildren(
      ...choices.map((value) => make("option", { value }, value === "every" ? "at every step" : `at t = ${value}`)),
    );
    at.value = choices.includes(altered.at) ? altered.at : "every";
    for (const { block, range, output } of feedback) {
      range.value = output.value = String(altered.feedback[block] ?? 1);
      range.disabled = count === 0;
    }
    kernels.set(altered.kernels);
    undo.disabled = !undoes;
  }

  return { draw };
}
