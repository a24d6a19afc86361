// Experiments: a list of questions, each a link; what happens is seen on the stage.

import { make } from "../../explorer/script/dom.js";

/**
 * @typedef {Object} Experiment
 * @property {string} title
 * @property {string} question what will happen?
 * @property {string[]} [choices] the answers to choose from
 * @property {string} answer what happened, and how large the effect is
 * @property {string} link the query of a link
 */

/**
 * @param {Experiment[]} list
 * @param {{follow: (query: string) => void}} host
 */
export function makeExperiments(list, host) {
  const cards = list.map(({ title, question, choices = [], answer, link }, index) => {
    const offered = make("ul", { class: "guesses" }, ...choices.map((choice) => make("li", {}, choice)));
    const told = make("p", { class: "answer", hidden: true }, answer);
    const show = make("button", { type: "button", "aria-expanded": "false" }, "What happened?");
    show.addEventListener("click", () => {
      told.hidden = !told.hidden;
      show.setAttribute("aria-expanded", String(!told.hidden));
    });
    const run = make("button", { type: "button", class: "primary", click: () => host.follow(link) }, "Run");
    const buttons = make("div", { class: "row" }, run, show);
    return make("li", {}, make("h3", {}, `${index + 1} · ${title}`), make("p", {}, question), offered, buttons, told);
  });
  const element = make(
    "section",
    { class: "page experiments", "aria-label": "Experiments" },
    make("ol", { class: "experiment-list" }, ...cards),
  );
  return { element };
}
