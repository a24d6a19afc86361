// The view "Survey": a grid of pictures, charts of their numbers, and the chosen picture. The app and `dgrl survey`'s page
// mount the same.

import { button, make, save } from "../dom.js";
import { makeCharts } from "./charts.js";
import { detailsOf } from "./details.js";
import { makeGrid } from "./grid.js";
import { makeQuestions } from "./questions.js";
import { asCsv, asJson, BOTH, entries, firstView } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

/** What a change of the view must have changed for other entries to be shown, or in another order. */
const CHOOSING = /** @type {const} */ (["checkpoint", "sort", "descending", "search", "filter"]);

/**
 * Show a survey.
 * @param {HTMLElement} host
 * @param {Table} first what `Survey.for_page` gives
 * @param {{onOpen?: (picture: string) => void}} options `onOpen` opens a picture in Explore, by its name
 * @returns {{view: () => View, change: (part: Partial<View>) => void, shown: () => Entry[],
 *   update: (table: Table) => void}} `update` shows another table, with more pictures
 */
export function mountSurvey(host, first, { onOpen } = {}) {
  let table = first;
  let view = firstView(table);
  /** @type {Entry[]} */
  let shown = [];
  const grid = makeGrid({ change, open });
  const count = make("p", { class: "count", role: "status" });
  const hover = make("div", { class: "hover", hidden: true });
  const charts = makeCharts(hover, (name) => {
    change({ selected: name });
    if (onOpen) open(name);
  });
  const details = make("section", { class: "chosen-picture", "aria-label": "Chosen picture" });
  const axes = make("div", { class: "controls" });
  const top = make("div", { class: "choosers" });
  const asking = makeQuestions((asked) => {
    view = { ...view, ...asked };
    controls();
    asking.show(table);
    shown = entries(table, view);
    draw();
  });
  layOut(host, { asking, top, count, grid, axes, charts, details, hover });

  /** @param {Partial<View>} part */
  function change(part) {
    const before = view;
    view = { ...view, ...part };
    if (CHOOSING.some((key) => before[key] !== view[key])) shown = entries(table, view);
    draw();
  }

  /** @param {Table} next */
  function update(next) {
    const kind = (/** @type {Table} */ { columns, checkpoints }) => JSON.stringify([columns, checkpoints]);
    const same = kind(next) === kind(table);
    table = next;
    if (!same) begin();
    asking.show(table);
    shown = entries(table, view);
    draw();
  }

  /** The view at the start, and the controls of the table's columns. */
  function begin() {
    view = { ...firstView(table), selected: view.selected };
    controls();
  }

  function controls() {
    const options = table.columns.map((column, value) => ({ value, title: column.title, group: column.group }));
    axes.replaceChildren(
      choice("Up", options, view.y, (y) => change({ y })),
      choice("Across", options, view.x, (x) => change({ x })),
    );
    top.replaceChildren(
      ...choosers(table, view, options, change),
      button("CSV", () => save(new Blob([asCsv(table, shown)], { type: "text/csv" }), "survey.csv")),
      button("JSON", () => save(new Blob([asJson(table, shown)], { type: "application/json" }), "survey.json")),
    );
  }

  function draw() {
    count.textContent = `${shown.length} of ${table.pictures.length} pictures, ${orderOf(table, view)}`;
    grid.show(table, shown, view);
    charts.show(table, shown, view);
    const chosen = shown.find((entry) => entry.picture.name === view.selected) ?? shown[0];
    details.replaceChildren(...detailsOf(table, view, chosen, onOpen));
  }

  /** @param {string} name */
  function open(name) {
    if (onOpen) onOpen(name);
    else change({ selected: name });
  }

  begin();
  update(table);
  return { view: () => view, change, shown: () => shown, update };
}

/**
 * Put the parts of the view in their places.
 * @param {HTMLElement} host
 * @param {{asking: ReturnType<typeof makeQuestions>, top: HTMLElement, count: HTMLElement,
 *   grid: {element: HTMLElement}, axes: HTMLElement, charts: {element: HTMLElement}, details: HTMLElement,
 *   hover: HTMLElement}} parts
 */
function layOut(host, { asking, top, count, grid, axes, charts, details, hover }) {
  const region = { class: "aside-charts", tabindex: 0, role: "region", "aria-label": "Charts and details" };
  const side = make("div", region, axes, charts.element, details);
  host.classList.add("dgrl-survey");
  host.replaceChildren(
    make("div", { class: "controls" }, asking.choice, top),
    make("div", {}, asking.answer, count),
    make("div", { class: "columns" }, grid.element, side),
    hover,
  );
}

/**
 * How the entries are sorted, and whose numbers the lines show.
 * @param {Table} table
 * @param {View} view
 */
function orderOf(table, view) {
  const both = view.checkpoint === BOTH;
  const order = `${both ? "difference in " : ""}${table.columns[view.sort]?.title}`;
  const [first, second] = table.checkpoints;
  const one = second && !both ? `; ${table.checkpoints[view.checkpoint]}` : "";
  const lines = both ? `; upper numbers, blue: ${first}, lower, orange: ${second}` : one;
  return `${view.descending ? "largest" : "smallest"} ${order} first${lines}`;
}

/** @typedef {{value: number, title: string, group?: string}} Option */

/**
 * The controls above the grid that choose what it shows.
 * @param {Table} table
 * @param {View} view
 * @param {Option[]} options the columns
 * @param {(part: Partial<View>) => void} change
 */
function choosers(table, view, options, change) {
  const tiles = table.tiles.map(({ title }, value) => ({ value, title }));
  const names = table.checkpoints.map((title, value) => ({ value, title }));
  const search = make("input", { type: "search", placeholder: "name or reason", value: view.search });
  search.addEventListener("input", () => change({ search: search.value }));
  let { filter } = view;
  const limit = (/** @type {"low" | "high"} */ end, /** @type {string} */ label) => {
    const input = make("input", { type: "number", step: "any", "aria-label": label, placeholder: label });
    input.value = String(filter[end] ?? "");
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
  const both = names.length > 1 ? [{ value: BOTH, title: "side by side" }, ...names] : [];
  return [
    make("label", { class: "labelled" }, make("span", {}, "Search"), search),
    choice("Map", tiles, view.tile, (tile) => change({ tile })),
    ...(both.length ? [choice("Checkpoint", both, view.checkpoint, (checkpoint) => change({ checkpoint }))] : []),
    choice("Sort by", options, view.sort, (sort) => {
      const columns = view.columns.includes(sort) ? view.columns : [sort, ...view.columns].slice(0, 5);
      change({ sort, columns, descending: table.columns[sort]?.better !== "higher" });
    }),
    limited,
  ];
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {Option[]} options
 * @param {number} chosen
 * @param {(value: number) => void} onChoose
 */
function choice(label, options, chosen, onChoose) {
  const select = make("select", { change: () => onChoose(Number(select.value)) });
  for (const group of new Set(options.map((option) => option.group))) {
    const members = options.filter((option) => option.group === group);
    const inside = members.map(({ value, title }) => make("option", { value }, title));
    select.append(...(group ? [make("optgroup", { label: group }, ...inside)] : inside));
  }
  select.value = String(chosen);
  return make("label", { class: "labelled" }, make("span", {}, label), select);
}
