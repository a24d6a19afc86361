// What each map is, in a sentence for whom it is new.

/**
 * @param {string} map one of MAPS
 * @param {number} step
 * @param {number} n
 */
export function about(map, step, n) {
  /** @type {Record<string, string>} */
  const sentences = {
    photo: "What the network is given. It has never been told where to look.",
    prediction: "Saliency at this look: white is 1, certainly part of the object; black is 0.",
    change:
      step > 0
        ? "What this look changed: red has become more salient, blue less."
        : "The first look has none before it to differ from.",
    prior: "RLN’s last prediction, which BRN is given together with the photo.",
    refinement: "What BRN changed: red has become more salient, blue less.",
    both: `Before BRN and after it: each pixel computed anew from its ${n} × ${n} neighbours.`,
    refined: `The result: each pixel computed anew from its ${n} × ${n} neighbours, with a kernel of its own.`,
  };
  const depth = { conv3: "The finest", conv4: "The middle", conv5: "The coarsest" }[map];
  return (
    sentences[map] ??
    `${depth} of three weight maps: how much each place counts, from what surrounds it. The mean is 1; 2 counts twice.`
  );
}
