// The tour: one experiment after the other, each with a question, three answers, and its effect on the stage.

import { button, fill, make, svg, write } from "../dom.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../state/scene.js").Experiment} Experiment
 */

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{choosePhoto: (slot: 0 | 1) => void}} page
 */
export function mountTour(element, store, { choosePhoto }) {
  const steps = make("ol", { class: "steps" });
  const heading = make("h2", {});
  const question = make("p", { class: "question" });
  const choices = make("div", { class: "choices", role: "group", "aria-label": "Your answer" });
  const show = button("Show", () => reveal(), { class: "primary", "data-testid": "tour-show" });
  const ownPhoto = button("On my photo", () => showOnOwnPhoto(store, choosePhoto), { "data-testid": "tour-own" });
  const explore = button("Look closer", () => store.dispatch({ type: "view", view: "explore" }), {
    "data-testid": "tour-closer",
    title: "Open this in Explore",
  });
  const answer = make("p", { class: "answer" });
  const story = make("p", { class: "quiet" });
  const sizes = make("div", { class: "sizes" });
  const previous = button("‹ Back", () => go(-1), { "data-testid": "tour-previous" });
  const next = button("Next ›", () => go(1), { "data-testid": "tour-next" });
  const finish = button("Use your photo", () => choosePhoto(0), { "data-testid": "tour-finish" });
  const count = make("span", { class: "quiet" });
  element.append(
    make("div", { class: "tour-head" }, heading, steps, make("div", { class: "row" }, previous, count, next, finish)),
    question,
    make("div", { class: "row" }, choices, show, ownPhoto, explore),
    make(
      "div",
      { class: "outcome" },
      make("div", { role: "status", "data-testid": "tour-answer" }, answer, story),
      sizes,
    ),
  );

  /** @param {number} by */
  function go(by) {
    const { tour } = store.state.scene;
    store.dispatch({ type: "tour", index: tour.index + by });
  }

  function reveal() {
    const focused = element.ownerDocument.activeElement === show;
    store.dispatch({ type: "tour-show" });
    if (focused) next.focus();
  }

  element.ownerDocument.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (store.state.scene.view !== "tour" || target.closest("input, select, textarea, .room, .grid, .handle, dialog"))
      return;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 }[event.key];
    if (by) go(by);
  });

  /** @param {State} state */
  function draw(state) {
    const { experiments, scene } = state;
    const { index, shown } = scene.tour;
    const experiment = experiments[index];
    if (!experiment) return;
    fill(
      steps,
      experiments.map(({ key }) => key),
      () => experiments.map((experiment, i) => stepOf(store, experiment, i)),
    );
    [...steps.querySelectorAll("button")].forEach((stepButton, i) => {
      if (i === index) stepButton.setAttribute("aria-current", "step");
      else stepButton.removeAttribute("aria-current");
    });
    write(heading, `${index + 1}. ${experiment.title}`);
    write(count, `${index + 1} / ${experiments.length}`);
    write(question, experiment.question);
    drawChoices(store, choices, experiment);
    show.hidden = shown;
    ownPhoto.hidden = experiment.own === "none" || !shown;
    explore.hidden = !shown;
    previous.disabled = index === 0;
    next.hidden = index === experiments.length - 1;
    finish.hidden = !next.hidden;
    next.classList.toggle("primary", shown);
    drawOutcome({ answer, story, sizes }, store.state, experiment);
  }

  const stop = store.subscribe((state) => state.scene.view === "tour" && draw(state));
  draw(store.state);
  return stop;
}

/**
 * @param {Store} store
 * @param {Experiment} experiment
 * @param {number} index
 */
function stepOf(store, { key, title }, index) {
  const click = () => store.dispatch({ type: "tour", key });
  return make(
    "li",
    {},
    button(String(index + 1), click, { title, "aria-label": `${index + 1}. ${title}`, "data-testid": `tour-${key}` }),
  );
}

/**
 * Show the experiment on the person's last photo; where something is to be painted or dragged, say so in Change.
 * @param {Store} store
 * @param {(slot: 0 | 1) => void} choosePhoto
 */
function showOnOwnPhoto({ state, dispatch }, choosePhoto) {
  const photo = state.photos.filter(({ example }) => !example).at(-1);
  if (!photo) return choosePhoto(0);
  dispatch({ type: "tour-show", photo: photo.name });
  const task = { brush: "paint over one object of your photo", box: "drag a box around one object of your photo" };
  const { own } = state.experiments[state.scene.tour.index] ?? { own: "none" };
  if (own === "brush" || own === "box")
    dispatch({ type: "notice", text: `Now ${task[own]}. The tab Tour leads back.` });
}

/**
 * Write what Show has shown. On another photo than the example's, the example's verdict and numbers do not apply.
 * @param {Record<"answer" | "story" | "sizes", HTMLElement>} parts
 * @param {State} state
 * @param {Experiment} experiment
 */
function drawOutcome({ answer, story, sizes }, { scene }, experiment) {
  const { shown, choice } = scene.tour;
  const [{ photo }] = scene.slots;
  const onOwnPhoto = photo !== photoOf(experiment);
  const answerText = `${verdictOn(experiment, choice)} ${experiment.answer}`;
  write(answer, shown ? (onOwnPhoto ? `The pictures show what happens on “${photo}”.` : answerText) : "");
  write(story, shown ? `${onOwnPhoto ? `On the example: ${experiment.answer} ` : ""}${experiment.story}` : "");
  const plot = shown && experiment.sizes ? { ...experiment.sizes, ...(onOwnPhoto ? { here: null } : {}) } : null;
  fill(sizes, plot, () => (plot ? [dotPlot(plot)] : []));
}

/** @param {Experiment} experiment */
const photoOf = ({ show }) => /** @type {{photo: string}[]} */ (show.slots)[0]?.photo;

/**
 * @param {Store} store
 * @param {HTMLElement} element
 * @param {Experiment} experiment
 */
function drawChoices(store, element, experiment) {
  const { tour, slots } = store.state.scene;
  const { choice } = tour;
  const isRevealed = tour.shown && slots[0].photo === photoOf(experiment); // on another photo the answer may differ
  const order = shuffled(experiment);
  fill(element, [experiment.key], () => order.map((at) => choiceOf(store, experiment, at)));
  [...element.querySelectorAll("button")].forEach((choiceButton, i) => {
    choiceButton.setAttribute("aria-pressed", String(order[i] === choice));
    choiceButton.classList.toggle("right", isRevealed && order[i] === experiment.right);
    choiceButton.classList.toggle("wrong", isRevealed && order[i] === choice && choice !== experiment.right);
  });
}

/**
 * @param {Experiment} experiment
 * @param {number | null} choice
 */
function verdictOn({ choices, right }, choice) {
  if (choice === right) return "Right:";
  return `${choice === null ? "The answer" : "Not quite"}: ${choices[right] ?? ""}.`;
}

/**
 * @param {Store} store
 * @param {Experiment} experiment
 * @param {number} at
 */
function choiceOf(store, { choices }, at) {
  return button(choices[at] ?? "", () => store.dispatch({ type: "tour-choose", choice: at }), {
    "aria-pressed": "false",
    "data-testid": `tour-choice-${at}`,
  });
}

/**
 * Return the choices in a shuffled order, by a hash of the key, so that the right one is not always first.
 * @param {Experiment} experiment
 */
export function shuffled({ key, choices }) {
  const hash = (/** @type {string} */ text) =>
    [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
  return choices
    .map((_, at) => at)
    .sort((first, second) => hash(`${key} ${choices[first]}`) - hash(`${key} ${choices[second]}`));
}

/**
 * Draw the effect here among the effects over a data set: one dot for each picture.
 * @param {NonNullable<Experiment["sizes"]>} sizes
 */
function dotPlot({ effect, unit, decimals, here, median, values, data }) {
  const allValues = here === null ? values : [...values, here];
  const [low, high] = [Math.min(0, ...allValues), Math.max(0, ...allValues)];
  const place = (/** @type {number} */ value) => 10 + (280 * (value - low)) / (high - low || 1);
  /** @type {Map<number, number>} */
  const stacked = new Map();
  const places = values.map((value) => {
    const column = Math.round(place(value) / 5);
    const height = stacked.get(column) ?? 0;
    stacked.set(column, height + 1);
    return { x: 5 * column, height };
  });
  const dotDistance = Math.min(4, 26 / Math.max(...stacked.values()));
  const withSign = (/** @type {number} */ value) =>
    `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(decimals)}${unit === "%" ? "\u00a0%" : ""}`;
  const summary = `${effect}: ${here === null ? "" : `● here ${withSign(here)}; `}median of ${values.length} pictures of ${data} ${withSign(median)}${unit === "%" ? "" : ` ${unit}`}`;
  const label = `Each dot is one picture. ${summary}`;
  const outermost = Math.abs(low) > high ? low : high;
  const number = (/** @type {number} */ value) =>
    svg("text", { x: place(value), y: 47, "text-anchor": place(value) > 150 ? "end" : "start" });
  const [zero, end] = [number(0), number(outermost)];
  zero.textContent = "0";
  end.textContent = withSign(outermost);
  const plot = svg(
    "svg",
    { viewBox: "0 0 300 50", role: "img", "aria-label": label },
    svg("path", { d: `M10,33H290M${place(0)},33v6` }),
    zero,
    end,
    ...places.map(({ x, height }) => svg("circle", { cx: x, cy: 28 - dotDistance * height, r: 2, class: "dot" })),
    ...(here === null ? [] : [svg("circle", { cx: place(here), cy: 28, r: 5, class: "here" })]),
  );
  return make("figure", { class: "dots" }, plot, make("figcaption", {}, summary));
}
