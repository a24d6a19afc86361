// The header: the views, the photo, and the menus for sharing and saving.

import { button, closeOutside, fill, make, picker, write } from "../dom.js";
import { photosOf } from "../state/edits.js";
import { writeLink } from "../state/link.js";
import { VIEWS } from "../state/scene.js";
import vocabulary from "../vocabulary.js";
import { mountSave } from "./save.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/loader.js").Loader} Loader
 */

const NAMES = /** @type {Record<string, [string, string]>} */ ({
  tour: ["Tour", "Eleven experiments, one after the other"],
  explore: ["Explore", "How the object was found"],
  change: ["Change", "Change attention, memory or sharpening, and see the effect"],
  compare: ["Compare", "Two photos or two checkpoints"],
  why: ["Why", "Which parts of the photo caused a value?"],
  measure: ["Measure", "Score the result against a ground-truth mask"],
  batch: ["Survey", "Many photos at once: where does attention go wrong?"],
});

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{loader: Loader, choosePhoto: (slot: 0 | 1) => void}} page
 */
export function mountHeader(element, store, { loader, choosePhoto }) {
  const views = VIEWS.map((view) => {
    const [text, title] = NAMES[view] ?? [view, ""];
    return {
      view,
      element: button(text, () => store.dispatch({ type: "view", view }), { title, "data-testid": `view-${view}` }),
    };
  });
  const nav = make("nav", { "aria-label": "Views" }, ...views.map((entry) => entry.element));
  const picture = make("img", { alt: "" });
  const name = make("span", {});
  const photo = make(
    "button",
    { type: "button", class: "photo", "data-testid": "photos", click: () => choosePhoto(0) },
    picture,
    name,
  );
  const checkpoint = picker("Checkpoint", (value) => store.dispatch({ type: "checkpoint", checkpoint: value }));
  const share = button("Share", () => copyLink(store, linked), { "data-testid": "share" });
  const linked = make("div", { class: "linked", hidden: true, role: "status" });
  const save = mountSave(store, loader);
  const more = moreMenu(store);
  const working = make("span", { class: "working", role: "status" });
  element.append(
    make("h1", {}, "DGRL", make("span", { class: "unseen" }, ": how a network finds the object in a photo")),
    nav,
    working,
    make("div", { class: "tools" }, checkpoint.element, photo, share, save.element, more.element),
    linked,
  );

  /** @param {import("../state/scene.js").State} state */
  function draw(state) {
    const { scene, photos, checkpoints, capabilities } = state;
    for (const { view, element: button } of views) {
      if (view === scene.view) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
      const lacking =
        (view === "tour" && !state.experiments.length) || (view === "why" && !capabilities.methods.length);
      button.hidden = lacking || (!capabilities.passes && view !== "explore" && view !== "compare");
    }
    const shownPhoto = photos.find((photo) => photo.name === scene.slots[0].photo);
    if (shownPhoto && picture.getAttribute("src") !== shownPhoto.thumbnail) picture.src = shownPhoto.thumbnail;
    write(name, shownPhoto?.name ?? "");
    photo.setAttribute("aria-label", `Photo: ${shownPhoto?.name ?? "none"}. Choose another`);
    photo.disabled = !capabilities.passes;
    checkpoint.element.hidden = checkpoints.length < 2;
    checkpoint.set(
      checkpoints.map((checkpoint) => ({ value: checkpoint.name, text: checkpoint.name })),
      scene.slots[0].checkpoint,
    );
    write(working, state.running.length ? "computing …" : "");
    element.toggleAttribute("data-busy", state.running.length > 0);
  }

  const stop = store.subscribe((state, before) => {
    if (state.scene !== before.scene) linked.hidden = true;
    draw(state);
  });
  draw(store.state);
  return stop;
}

/**
 * @param {Store} store
 * @param {HTMLElement} linked
 */
async function copyLink(store, linked) {
  const { state } = store;
  const link = `${location.origin}${location.pathname}${writeLink(state)}`
    .replace(/([?&])own2?=[^&]*/g, "$1")
    .replace(/[?&]$/, "");
  const hasOwnPhoto = state.scene.slots
    .flatMap((slot) => (slot ? photosOf(slot) : []))
    .some((photo) => !state.photos.find(({ name }) => name === photo)?.example);
  const note = hasOwnPhoto
    ? "The link has the view and all changes, but not your photo, which stays with you."
    : "The link has the photo, the view and all changes.";
  const field = make("input", { type: "text", readonly: true, value: link, "aria-label": "Link to this view" });
  const copied = await navigator.clipboard?.writeText(link).then(
    () => true,
    () => false,
  );
  linked.replaceChildren(field, make("span", {}, `${copied ? "Copied." : "Copy the link from the field."} ${note}`));
  linked.hidden = false;
  field.select();
}

/** @param {Store} store */
function moreMenu(store) {
  const summary = make("summary", { "aria-label": "More", title: "More" }, "⋯");
  const list = make("div", { class: "menu" });
  const element = make("details", { class: "more" }, summary, list);
  closeOutside(element);
  const set = (/** @type {Record<string, unknown>} */ changes) => () => {
    store.dispatch({ type: "set", changes });
    element.open = false;
  };
  const draw = () => {
    const { scene, capabilities, version } = store.state;
    fill(list, [scene.present, scene.theme, capabilities, version], () => [
      button(scene.present ? "Leave present mode" : "Present (large, for a hall)", set({ present: !scene.present }), {
        "data-testid": "present",
      }),
      button("Light theme", set({ theme: "light" }), { "aria-pressed": String(scene.theme === "light") }),
      button("Dark theme", set({ theme: "dark" }), { "aria-pressed": String(scene.theme === "dark") }),
      button("Theme of the system", set({ theme: "auto" }), { "aria-pressed": String(scene.theme === "auto") }),
      ...(capabilities.report ? [make("a", { href: "?view=api", "data-testid": "api" }, "API")] : []),
      make("a", { href: vocabulary.glossary, target: "_blank", rel: "noreferrer" }, "Glossary"),
      make("p", { class: "quiet" }, `DGRL ${version}. Wang et al., “Detect Globally, Refine Locally”, CVPR 2018.`),
    ]);
  };
  store.subscribe(draw);
  draw();
  return { element };
}
