// Why: which parts of the photo caused a value? The answer is drawn over the photo on the stage.

import { button, choice, fill, make, picker, svg, write } from "../dom.js";
import { sentRequest } from "../state/loader.js";
import { explanationKey, questionSent } from "../state/questions.js";
import { shownSlots } from "../state/scene.js";
import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../state/loader.js").Loader} Loader
 * @typedef {import("../engines/engine.js").Faithfulness} Faithfulness
 */

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{loader: Loader}} page
 */
export function mountWhy(element, store, { loader }) {
  const ask = (/** @type {Record<string, unknown>} */ changes) => store.dispatch({ type: "question", changes });
  const target = choice(
    "The value",
    vocabulary.targets.map(({ name, word }) => ({ value: name, text: word })),
    (value) => ask({ target: value }),
  );
  const level = choice(
    "Level",
    vocabulary.levels.map(({ name, word }) => ({ value: name, text: word })),
    (value) => ask({ level: value }),
  );
  const methods = picker("Method", (value) => ask({ method: value }));
  const description = make("p", { class: "quiet" });
  const targetText = make("p", { class: "quiet" });
  const explain = button("Explain", () => run(), { class: "primary", "data-testid": "explain" });
  const stopping = button("Stop", () => cancel(), { hidden: true });
  const progress = make("progress", { max: 1, value: 0, hidden: true, "aria-label": "Explaining" });
  const answerText = make("p", { class: "answer", role: "status", "data-testid": "explanation" });
  const faith = make("div", { class: "faithfulness" });
  let cancel = () => {};
  element.append(
    make("header", {}, make("h2", {}, "Why")),
    make("p", {}, "Which parts of the photo caused this value?"),
    target.element,
    level.element,
    methods.element,
    description,
    targetText,
    make("div", { class: "row" }, explain, stopping),
    progress,
    answerText,
    faith,
  );

  function run() {
    const { state } = store;
    const request = shownSlots(state.scene)[0];
    const question = questionSent(state);
    if (!question) return;
    cancel = loader.answer(explanationKey(state), (options) =>
      loader.engine.explain(sentRequest(state, request), question, options),
    );
  }

  /** @param {State} state */
  function draw(state) {
    const { question } = state.scene;
    const methodsOffered = vocabulary.methods.filter(({ name }) => state.capabilities.methods.includes(name));
    target.set(question.target);
    level.set(question.level);
    level.element.hidden = question.target !== "cell";
    methods.set(
      methodsOffered.map(({ name, word }) => ({ value: name, text: word })),
      question.method,
    );
    write(description, methodsOffered.find(({ name }) => name === question.method)?.about ?? "");
    const currentQuestion = questionSent(state);
    write(
      targetText,
      currentQuestion && question.target !== "object"
        ? `At the marker: column ${currentQuestion.x}, row ${currentQuestion.y}. Click the photo to choose another place.`
        : "",
    );
    const answer = state.answers[explanationKey(state)];
    const running = !!answer && !answer.result && !answer.error;
    explain.disabled = running || !currentQuestion || !!answer?.result || !!state.loading;
    stopping.hidden = progress.hidden = !running;
    progress.value = answer?.progress ?? 0;
    write(answerText, answer?.result?.words ?? answer?.error ?? "");
    drawFaithfulness(answer?.result?.faithfulness ?? null);
  }

  /** @param {Faithfulness | null} scores */
  function drawFaithfulness(scores) {
    fill(faith, scores, () => (scores ? faithfulness(scores) : []));
  }

  const stop = store.subscribe((state) => state.scene.view === "why" && draw(state));
  draw(store.state);
  return stop;
}

/**
 * Show how well the explanation agrees with the network: three numbers and a small curve.
 * @param {Faithfulness} scores
 */
function faithfulness(scores) {
  const row = (/** @type {string} */ name, /** @type {string} */ text) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text));
  const twoDecimals = (/** @type {number} */ value) => value.toFixed(2);
  return [
    make("h3", {}, "Is this explanation true?"),
    make("p", {}, scores.words),
    make(
      "table",
      { class: "values" },
      row("deletion (lower than in random order is good)", twoDecimals(scores.deletion)),
      row("insertion (higher than in random order is good)", twoDecimals(scores.insertion)),
      row("in random order", twoDecimals(scores.random)),
      row("correlation with a randomised network (near 0 is good)", twoDecimals(scores.sensitivity)),
    ),
    curves(scores.curves),
  ];
}

/** @param {{deletion: number[], insertion: number[]}} found */
function curves({ deletion, insertion }) {
  const allValues = [...deletion, ...insertion];
  const [low, high] = [Math.min(...allValues), Math.max(...allValues)];
  const path = (/** @type {number[]} */ values) =>
    values
      .map(
        (value, i) =>
          `${i ? "L" : "M"}${(200 * i) / (values.length - 1)},${60 - (60 * (value - low)) / (high - low || 1)}`,
      )
      .join("");
  const label = "The value while the most important parts are removed (solid) or added (dashed)";
  return svg(
    "svg",
    { viewBox: "-2 -2 204 64", role: "img", "aria-label": label },
    svg("path", { d: path(deletion) }),
    svg("path", { d: path(insertion), "stroke-dasharray": "4 3" }),
  );
}
