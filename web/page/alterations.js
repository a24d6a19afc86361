// What a person alters in a pass, as inputs of the graphs (dgrl.export.inputs), in words, and as a part of the address.

/** @typedef {import("./worker.js").Inputs} Inputs */

/**
 * @typedef {Object} Stroke What the brush has painted on a weight map.
 * @property {Float32Array} share of each cell that is painted
 * @property {number} strength
 */

/**
 * @typedef {Object} Alterations
 * @property {string[]} flat levels whose weight maps become even
 * @property {string} at "every", or the time step at which they do
 * @property {Record<string, number>} feedback what each block's is multiplied by
 * @property {"own" | "mean" | "identity" | "none"} kernels none: the map stays as it was before BRN
 * @property {Record<string, Stroke>} painted by tap
 */

export const BLOCKS = ["conv2", "conv3", "conv4", "conv5"];
export const LEVELS = ["conv3", "conv4", "conv5"];
export const KERNELS = /** @type {const} */ (["own", "mean", "identity", "none"]);
export const KERNEL_WORDS = { own: "its own", mean: "one mean kernel", identity: "identity", none: "no refinement" };

/** @returns {Alterations} */
export const unaltered = () => ({
  flat: [],
  at: "every",
  feedback: Object.fromEntries(BLOCKS.map((block) => [block, 1])),
  kernels: "own",
  painted: {},
});

/** @param {Alterations} altered */
export const changesNothing = (altered) => wordsOf(altered).length === 0;

/**
 * @param {Alterations} altered
 * @param {number} steps T of the pass
 * @returns {Inputs}
 */
export function inputsOf(altered, steps) {
  /** @type {Inputs} */
  const inputs = {};
  for (let t = 0; t <= steps; t++) {
    for (const level of altered.at === "every" || altered.at === String(t) ? altered.flat : []) {
      inputs[`rln.t${t}.${level}.weight_map.factor`] = 0;
      inputs[`rln.t${t}.${level}.weight_map.given`] = 1;
    }
    for (const block of t > 0 ? BLOCKS : []) {
      const factor = altered.feedback[block] ?? 1;
      if (factor !== 1) inputs[`rln.t${t}.${block}.feedback.scale`] = factor;
    }
  }
  for (const [tap, stroke] of Object.entries(altered.painted)) Object.assign(inputs, painting(tap, stroke, inputs));
  if (altered.kernels === "mean") inputs["brn.coefficients.mix"] = [0, 1, 0];
  if (altered.kernels === "identity") inputs["brn.coefficients.mix"] = [0, 0, 1];
  if (altered.kernels === "none") inputs["brn.refined.share"] = 0;
  return inputs;
}

/**
 * A map that is both flattened and painted is painted on an even one.
 * @param {string} tap
 * @param {Stroke} stroke
 * @param {Inputs} inputs
 * @returns {Inputs}
 */
function painting(tap, { share, strength }, inputs) {
  const factor = share.map((part) => 1 + (strength - 1) * part);
  if (inputs[`${tap}.given`] !== 1) return { [`${tap}.factor`]: factor };
  const mean = factor.reduce((sum, value) => sum + value, 0) / factor.length;
  return { [`${tap}.factor`]: 0, [`${tap}.given`]: factor.map((value) => value / mean) };
}

/**
 * A phrase for each kind of alteration.
 * @param {Alterations} altered
 */
export function wordsOf(altered) {
  const said = [];
  const at = altered.at === "every" ? "at every step" : `at t = ${altered.at}`;
  if (altered.flat.length) said.push(`weight maps of ${altered.flat.join(", ")} flattened ${at}`);
  const taps = Object.keys(altered.painted).map((tap) => tap.replace(/^rln\.t(\d+)\.(\w+)\..*/, "$2 at t = $1"));
  if (taps.length) said.push(`weight map of ${taps.join(", ")} painted`);
  for (const [block, factor] of Object.entries(altered.feedback)) {
    if (factor !== 1) said.push(`feedback into ${block} ${factor === 0 ? "cut" : `times ${factor}`}`);
  }
  if (altered.kernels !== "own") {
    said.push(altered.kernels === "none" ? "no refinement" : `BRN’s kernels: ${KERNEL_WORDS[altered.kernels]}`);
  }
  return said;
}

/**
 * As a part of the address; paintings are too large for one.
 * @param {Alterations} altered
 * @param {URLSearchParams} address is filled
 */
export function toAddress({ flat, at, feedback, kernels }, address) {
  if (flat.length) address.set("flat", flat.join(","));
  if (flat.length && at !== "every") address.set("at", at);
  for (const [block, factor] of Object.entries(feedback)) if (factor !== 1) address.set(block, String(factor));
  if (kernels !== "own") address.set("kernels", kernels);
}

/**
 * What an address says; addresses are written by anybody.
 * @param {URLSearchParams} address
 * @returns {Alterations}
 */
export function fromAddress(address) {
  const altered = unaltered();
  altered.flat = (address.get("flat") ?? "").split(",").filter((level) => LEVELS.includes(level));
  const at = address.get("at") ?? "every";
  if (/^\d$/.test(at)) altered.at = at;
  for (const block of BLOCKS) {
    const factor = Number.parseFloat(address.get(block) ?? "1");
    if (factor >= 0 && factor <= 4) altered.feedback[block] = factor;
  }
  altered.kernels = KERNELS.find((kind) => kind === address.get("kernels")) ?? "own";
  return altered;
}
