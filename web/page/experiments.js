// Experiments: a photo and settings, as an address of this page, with words before and after.

import { make } from "../../dgrl/explorer/script/dom.js";

/**
 * @typedef {Object} Experiment
 * @property {string} title
 * @property {string} expect what will happen
 * @property {string} address what follows the # of this page's address
 */

/**
 * @param {Experiment[]} experiments
 * @param {(address: string) => void} chosen
 */
export function makeExperiments(experiments, chosen) {
  const items = experiments.map(({ title, expect, address }) =>
    make("li", {}, make("button", { type: "button", title: expect, click: () => chosen(address) }, title)),
  );
  return make("details", {}, make("summary", {}, "Experiments"), make("ol", {}, ...items));
}
