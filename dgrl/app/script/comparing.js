// Compare: two slots, each with a photo, a checkpoint, a number of steps and edits of its own.

import { make, write } from "../../explorer/script/dom.js";
import { describe } from "./altering.js";

/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./links.js").Wish} Wish */
/** @typedef {import("./links.js").Photo} Photo */

/**
 * @param {{scene: () => Scene, photos: Photo[], checkpoints: string[], mostSteps: number,
 *   set: (index: number, wish: Wish | null) => void, choose: (index: number) => void}} host
 */
export function makeComparing(host) {
  const slots = [0, 1].map((index) => makeSlotChoice(host, index));
  const swap = make("button", { type: "button", click: () => exchange() }, "Exchange");
  const one = make("button", { type: "button", click: () => host.set(1, null) }, "Only the first");
  const element = make(
    "section",
    { class: "aside comparing", "aria-label": "Compare" },
    make("header", {}, make("h2", {}, "Compare"), make("div", { class: "buttons" }, swap, one)),
    make("p", { class: "prose" }, "Two photos, two checkpoints, or one pass altered: one cursor moves in both."),
    ...slots.map((slot) => slot.element),
  );

  function exchange() {
    const { first, second } = host.scene();
    if (!second) return;
    host.set(0, second);
    host.set(1, first);
  }

  function draw() {
    const { second } = host.scene();
    swap.disabled = one.disabled = !second;
    for (const slot of slots) slot.draw();
  }

  return { element, draw };
}

/**
 * @param {Parameters<typeof makeComparing>[0]} host
 * @param {number} index
 */
function makeSlotChoice(host, index) {
  const name = index ? "Second" : "First";
  const picture = make("img", { alt: "" });
  const photo = make("button", { type: "button", class: "card", click: () => host.choose(index) }, picture);
  const label = make("span", {});
  photo.append(label);
  const checkpoint = make("select", { "aria-label": `${name}: checkpoint` });
  checkpoint.append(...host.checkpoints.map((value) => make("option", { value }, value)));
  const steps = make("select", { "aria-label": `${name}: time steps T` });
  steps.append(make("option", { value: "" }, "T as trained"));
  for (let t = 0; t <= host.mostSteps; t++) steps.append(make("option", { value: t }, `T = ${t}`));
  const edits = make("p", { class: "prose" });
  const clear = make("button", { type: "button", click: () => set({ edits: [] }) }, "Take the edits away");
  const element = make(
    "fieldset",
    { class: "slot-choice" },
    make("legend", {}, name),
    photo,
    make("div", { class: "column" }, checkpoint, steps, edits, clear),
  );
  const own = () => /** @type {Wish} */ (index ? (host.scene().second ?? host.scene().first) : host.scene().first);
  /** @param {Partial<Wish>} changes */
  const set = (changes) => host.set(index, { ...own(), ...changes });
  checkpoint.addEventListener("change", () => set({ checkpoint: checkpoint.value }));
  steps.addEventListener("change", () => set({ steps: steps.value === "" ? null : Number(steps.value) }));

  function draw() {
    const wish = own();
    picture.src = wish.photo.thumbnail;
    write(label, wish.photo.name);
    photo.setAttribute("aria-label", `${name} photo: ${wish.photo.name}. Choose another`);
    checkpoint.value = wish.checkpoint;
    steps.value = wish.steps === null ? "" : String(wish.steps);
    write(edits, wish.edits.length ? `altered: ${describe(wish.edits)}` : "as computed");
    clear.hidden = !wish.edits.length;
  }

  return { element, draw };
}
