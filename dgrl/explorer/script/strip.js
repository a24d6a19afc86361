// The strip of film: every map of the pass in the order of the network, each with its value at the pixel.

import { make, write } from "./dom.js";
import { BOTH, valueAt } from "./layers.js";
import { number, signed } from "./numbers.js";
import { clamp } from "./places.js";
import { thumbnail } from "./slot.js";
import { about } from "./words.js";

/** @typedef {import("./slot.js").Slot} Slot */
/** @typedef {import("./explorer.js").App} App */

/**
 * @typedef {Object} Film One small picture.
 * @property {string} map
 * @property {number} step
 * @property {HTMLButtonElement} button
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement[]} values of the first and the second pass
 */

const AFTER = [
  ["prior", "before"],
  ["refinement", "change"],
  ["refined", "after"],
];

/** @param {App} app */
export function makeStrip(app) {
  const element = make("section", { class: "strip", "aria-label": "All maps, in the order of the network" });
  const words = make("p", { class: "about prose" });
  /** @type {Film[][]} */
  let rows = [];

  /** Make the strip anew for another number of steps or levels. */
  function build() {
    const slot = app.slots[app.state.slot] ?? app.slots[0];
    if (!slot) return;
    const { header } = slot.pass;
    const ratio = clamp(header.photo.width / header.photo.height, 0.62, 2.4);
    element.style.setProperty("--ratio", String(ratio));
    element.style.setProperty("--rows", String(header.steps + 2));
    const columns = [...header.levels, "prediction", "change"];
    const photo = makeFilm(app, "photo", -1, "photo");
    const steps = Array.from({ length: header.steps }, (_, step) =>
      columns
        .filter((map) => map !== "change" || step > 0)
        .map((map) => makeFilm(app, map, step, `${map} at t = ${step}`)),
    );
    const after = AFTER.map(([map = "", name = ""]) => makeFilm(app, map, -1, `${name} BRN`));
    rows = [[photo], ...steps, after];
    const head = columns.map((map) => make("th", { scope: "col", "data-map": map }, map));
    const body = steps.map((films, step) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, `t${step}`),
        ...films.map((film) => make("td", { "data-map": film.map }, film.button)),
      ),
    );
    element.replaceChildren(
      make("div", { class: "source" }, photo.button, sourceText(slot)),
      part("Localise", "RLN looks, and looks again", table(head, body)),
      part("Refine", "BRN redraws each pixel from its neighbours", afterTable(after)),
      words,
    );
    draw();
  }

  /** Draw the small pictures. */
  function draw() {
    const slot = app.slots[app.state.slot] ?? app.slots[0];
    if (!slot) return;
    for (const film of rows.flat()) {
      const layer = film.map === "photo" ? null : onScale(app, film);
      thumbnail(film.canvas, slot, layer);
    }
    choose();
    place();
  }

  /** Show which picture stands on the stage; it is the one that Tab reaches. */
  function choose() {
    const { map, step } = app.state;
    write(words, about(map, step, app.slots[0]?.pass.header.kernel_size ?? 0));
    const films = rows.flat();
    const maps = map === BOTH ? (app.slots[1] ? ["refined"] : ["prior", "refined"]) : [map];
    const chosen = films.filter((film) => maps.includes(film.map) && (film.step < 0 || film.step === step));
    const reached = chosen[0] ?? films[0];
    for (const film of films) {
      film.button.setAttribute("aria-pressed", String(chosen.includes(film)));
      film.button.tabIndex = film === reached ? 0 : -1;
    }
  }

  /** Write every map's value at the pixel. */
  function place() {
    const decimals = app.state.present || element.clientWidth < 400 ? 2 : 3;
    for (const film of rows.flat()) {
      film.values.forEach((output, index) => {
        const layer = app.slots[index]?.layer(film.map, Math.max(film.step, 0));
        const { across, down } = app.place(index);
        const show = layer?.colours === "signed" ? signed : number;
        write(output, layer ? show(valueAt(layer, across, down), decimals) : "");
      });
    }
  }

  element.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const row = rows.findIndex((films) => films.some((film) => film.button === document.activeElement));
    if (!move || row < 0) return;
    event.preventDefault();
    const column = /** @type {Film[]} */ (rows[row]).findIndex((film) => film.button === document.activeElement);
    const films = rows[clamp(row + (move[0] ?? 0), 0, rows.length - 1)] ?? [];
    const film = films[clamp(column + (move[1] ?? 0), 0, films.length - 1)];
    film?.button.focus();
    film?.button.click();
  });
  return { element, build, draw, choose, place };
}

/**
 * @param {App} app
 * @param {string} map
 * @param {number} step −1 for what all steps share
 * @param {string} label
 * @returns {Film}
 */
function makeFilm(app, map, step, label) {
  const canvas = make("canvas", { width: 160, height: 120, "aria-hidden": "true" });
  const photo = /** @type {Slot} */ (app.slots[app.state.slot] ?? app.slots[0]).pass.header.photo;
  const factor = 160 / Math.max(photo.width, photo.height);
  canvas.width = Math.max(1, Math.round(photo.width * factor));
  canvas.height = Math.max(1, Math.round(photo.height * factor));
  const values = [make("output", { "aria-live": "off" }), make("output", { class: "second", "aria-live": "off" })];
  const click = () => app.update(step < 0 ? { map } : { map, step }, step >= 0 ? "step" : "");
  const button = make("button", { type: "button", class: "film", "data-map": map, click });
  button.append(
    make("span", { class: "unseen" }, label),
    make("span", { class: "still" }, canvas),
    ...(map === "photo" ? [] : values),
  );
  if (step >= 0) button.dataset.step = String(step);
  return { map, step, button, canvas, values };
}

/**
 * @param {App} app
 * @param {Film} film
 */
function onScale(app, film) {
  const slot = app.slots[app.state.slot] ?? app.slots[0];
  const layer = slot?.layer(film.map, Math.max(film.step, 0)) ?? null;
  if (layer?.colours !== "signed") return layer;
  return { ...layer, low: -app.state.scale, high: app.state.scale };
}

/** @param {Slot} slot */
function sourceText({ pass }) {
  const { photo, rln } = pass.header;
  const text = make("p", {}, make("strong", {}, "Photo"), ` ${photo.width} × ${photo.height}`);
  text.append(make("span", { class: "prose" }, `RLN sees it as ${rln.width} × ${rln.height}`));
  return text;
}

/**
 * @param {string} name
 * @param {string} prose
 * @param {HTMLElement} content
 */
function part(name, prose, content) {
  return make(
    "div",
    { class: "part" },
    make("h2", { class: "minor" }, name, make("span", { class: "prose" }, prose)),
    content,
  );
}

/**
 * @param {HTMLElement[]} head
 * @param {HTMLElement[]} body
 */
function table(head, body) {
  return make("table", {}, make("thead", {}, make("tr", {}, make("td", {}), ...head)), make("tbody", {}, ...body));
}

/** @param {Film[]} films */
function afterTable(films) {
  const head = AFTER.map(([, name = ""]) => make("th", { scope: "col" }, name));
  const row = make("tr", {}, make("td", {}), ...films.map((film) => make("td", {}, film.button)));
  const grid = table(head, [row]);
  grid.className = "after";
  return grid;
}
