// Two sentences about each map, for users who see it for the first time.

import vocabulary from "../vocabulary.js";

/** @param {string} map */
const wordOf = (map) => vocabulary.levels.find(({ name }) => name === map)?.word ?? map;

/** @type {Record<string, string>} */
const LEVELS = {
  conv3: "It has the most cells and follows edges and texture.",
  conv4: "It follows parts of objects.",
  conv5: "It has the fewest cells and follows whole objects.",
};

/** @type {Record<string, string>} */
const MAPS = {
  result:
    "The object that the network found is lit and outlined; the rest is dimmed. Click any small picture to see how it was found.",
  photo: "The input of the network. It contains no hint where the object is.",
  prior:
    "The last prediction, rounded to 0 or 1, as BRN receives it. BRN also receives the photo and the prediction before rounding.",
  refinement: "What sharpening changed: red has become more salient, blue less. Most of it lies along the outline.",
};

/**
 * @param {string} map one of MAPS
 * @param {number} step
 * @param {{looks: number, n: number, prior: string}} pass number of looks, kernel size, kind of prior
 */
export function describeMap(map, step, { looks, n, prior }) {
  if (map === "prior" && prior === "soft") return "The last prediction, as BRN receives it together with the photo.";
  const fixed = MAPS[map];
  if (fixed) return fixed;
  if (LEVELS[map]) {
    const places = `How much each place counts in the ${wordOf(map)} features of look ${step + 1}; 1 is average, 2 counts twice as much.`;
    return `${places} ${LEVELS[map]}`;
  }
  if (map === "prediction") {
    const memory = step
      ? "It also used the attention of the previous look."
      : "It has no memory of an earlier look yet.";
    return `How likely each place belongs to the object, after look ${step + 1} of ${looks}. ${memory}`;
  }
  if (map === "change") {
    return step
      ? `What look ${step + 1} changed: red has become more salient, blue less.`
      : "There is no look before the first one to compare with.";
  }
  return `The result. Each pixel was computed from its ${n} × ${n} neighbours, with its own kernel (BRN).`;
}

/** Names of the pipeline's rows and cells. */
export const TITLES = /** @type {Record<string, string>} */ ({
  ...Object.fromEntries(vocabulary.levels.map(({ name, word }) => [name, word])),
  prediction: "found",
  change: "changed",
  photo: "photo",
  prior: "received",
  refinement: "changed",
  refined: "sharpened",
});
