// The view "Survey": a grid of pictures, charts of their numbers, and the chosen picture. The app and `dgrl survey`'s page
// mount the same.

import { makeCharts } from "./charts.js";
import { detailsOf } from "./details.js";
import { choice, download, element } from "./elements.js";
import { makeGrid } from "./grid.js";
import { asCsv, asJson, BOTH, entries, firstView } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

/**
 * Show a survey.
 * @param {HTMLElement} host
 * @param {Table} table what `Survey.for_page` gives
 * @param {{onOpen?: (picture: string) => void}} options `onOpen` opens a picture in Explore, by its name
 * @returns {{view: () => View, change: (part: Partial<View>) => void, shown: () => Entry[]}}
 */
export function mountSurvey(host, table, { onOpen } = {}) {
  let view = firstView(table);
  /** @type {Entry[]} */
  let shown = [];
  const grid = makeGrid(table, { change, open });
  const count = element("p", { class: "count", role: "status" });
  const hover = element("div", { class: "hover", hidden: true });
  const charts = makeCharts(table, hover, (name) => {
    change({ selected: name });
    if (onOpen) open(name);
  });
  const details = element("section", { class: "details", "aria-label": "Chosen picture" });
  const side = element("div", { class: "side", tabindex: 0, role: "region", "aria-label": "Charts and details" });
  const options = table.columns.map((column, value) => ({ value, title: column.title, group: column.group }));
  const axes = element("div", { class: "controls" });
  axes.append(
    choice("Up", options, view.y, (y) => change({ y })),
    choice("Across", options, view.x, (x) => change({ x })),
  );
  side.append(axes, charts.element, details);
  const main = element("div", { class: "main" }, grid.element, side);
  host.classList.add("dgrl-survey");
  host.replaceChildren(controls(table, view, { change, csv, json }), count, main, hover);

  /** @param {Partial<View>} part */
  function change(part) {
    const before = view;
    view = { ...view, ...part };
    const same = ["checkpoint", "sort", "descending", "search", "filter"];
    const keys = /** @type {(keyof View)[]} */ (same);
    if (shown.length === 0 || keys.some((key) => before[key] !== view[key])) shown = entries(table, view);
    draw();
  }

  function draw() {
    const both = view.checkpoint === BOTH;
    const order = `${both ? "difference in " : ""}${table.columns[view.sort]?.title}`;
    const ends = view.descending ? "largest" : "smallest";
    count.textContent = `${shown.length} of ${table.pictures.length} pictures, ${ends} ${order} first`;
    grid.show(shown, view);
    charts.show(shown, view);
    const chosen = shown.find((one) => one.picture.name === view.selected) ?? shown[0];
    details.replaceChildren(...detailsOf(table, view, chosen, onOpen));
  }

  /** @param {string} name */
  function open(name) {
    if (onOpen) onOpen(name);
    else change({ selected: name });
  }

  function csv() {
    download("survey.csv", asCsv(table, shown), "text/csv");
  }

  function json() {
    download("survey.json", asJson(table, shown), "application/json");
  }

  change({});
  return { view: () => view, change, shown: () => shown };
}

/**
 * The controls above the grid.
 * @param {Table} table
 * @param {View} view
 * @param {{change: (part: Partial<View>) => void, csv: () => void, json: () => void}} actions
 */
function controls(table, view, { change, csv, json }) {
  const options = table.columns.map((column, value) => ({ value, title: column.title, group: column.group }));
  const tiles = table.tiles.map(({ title }, value) => ({ value, title }));
  const names = table.checkpoints.map((title, value) => ({ value, title }));
  const search = element("input", { type: "search", placeholder: "name or reason" });
  search.addEventListener("input", () => change({ search: search.value }));
  let filter = view.filter;
  const limit = (/** @type {"low" | "high"} */ end, /** @type {string} */ label) => {
    const input = element("input", { type: "number", step: "any", "aria-label": label, placeholder: label });
    input.addEventListener("input", () => {
      filter = { ...filter, [end]: input.value === "" ? null : Number(input.value) };
      change({ filter });
    });
    return input;
  };
  const limited = choice("Only where", options, view.filter.column, (column) => {
    filter = { ...filter, column };
    change({ filter });
  });
  limited.append(limit("low", "at least"), limit("high", "at most"));
  const button = (/** @type {string} */ title, /** @type {() => void} */ act) => {
    const made = element("button", { type: "button" }, title);
    made.addEventListener("click", act);
    return made;
  };
  const both = names.length > 1 ? [{ value: BOTH, title: "side by side" }, ...names] : [];
  return element(
    "div",
    { class: "controls" },
    element("label", { class: "choice" }, element("span", {}, "Search"), search),
    choice("Map", tiles, view.tile, (tile) => change({ tile })),
    ...(both.length ? [choice("Checkpoint", both, view.checkpoint, (checkpoint) => change({ checkpoint }))] : []),
    choice("Sort by", options, view.sort, (sort) => {
      const columns = view.columns.includes(sort) ? view.columns : [sort, ...view.columns].slice(0, 5);
      change({ sort, columns, descending: table.columns[sort]?.better !== "higher" });
    }),
    limited,
    button("CSV", csv),
    button("JSON", json),
  );
}
