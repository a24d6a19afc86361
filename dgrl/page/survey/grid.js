// The grid of pictures: only the rows in sight are in the page, so that thousands stay smooth.

import { button, make } from "../dom.js";
import { BOTH, told } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

const LINE = 64;
const SPARE = 4;

/** @param {{change: (part: Partial<View>) => void, open: (name: string) => void}} actions */
export function makeGrid(actions) {
  const head = make("div", { role: "row", class: "line titles", "aria-rowindex": 1 });
  const body = make("div", { role: "rowgroup", class: "body" });
  const grid = make("div", { role: "grid", class: "table-grid", "aria-label": "Pictures" });
  grid.append(make("div", { role: "rowgroup", class: "head-group" }, head), body);
  /** @type {Entry[]} */
  let shown = [];
  /** @type {{table: Table, view: View} | null} */
  let now = null;
  let focused = 0;
  /** The rows that were drawn, by entry: they stay, so that the second click of two finds what the first clicked. */
  const lines = new Map();

  function draw() {
    if (now === null) return;
    const { table, view } = now;
    const first = Math.max(0, Math.floor(grid.scrollTop / LINE) - SPARE);
    const last = Math.min(shown.length, Math.ceil((grid.scrollTop + grid.clientHeight) / LINE) + SPARE);
    const indices = [];
    for (let index = first; index < last; index++) indices.push(index);
    if (focused < shown.length && !indices.includes(focused)) indices.push(focused); // it keeps the keyboard's place
    body.style.height = `${shown.length * LINE}px`;
    const rows = indices.map((index) => {
      const entry = /** @type {Entry} */ (shown[index]);
      const row = lines.get(entry) ?? line(table, view, entry, index);
      lines.set(entry, row);
      row.setAttribute("aria-selected", String(entry.picture.name === view.selected));
      row.tabIndex = index === focused ? 0 : -1;
      return row;
    });
    for (const row of [...body.children]) if (!rows.includes(row)) row.remove();
    for (const [place, row] of rows.entries())
      if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  }

  function focusLine() {
    /** @type {HTMLElement | null} */ (body.querySelector(`[data-index="${focused}"]`))?.focus({ preventScroll: true });
  }

  /** @param {number} to */
  function move(to) {
    focused = Math.min(Math.max(to, 0), shown.length - 1);
    const top = focused * LINE;
    const room = grid.clientHeight - head.offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + LINE > grid.scrollTop + room) grid.scrollTop = top + LINE - room;
    draw();
    focusLine();
    actions.change({ selected: shown[focused]?.picture.name ?? null });
  }

  grid.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  body.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
    if (target instanceof HTMLElement) move(Number(target.dataset.index));
  });
  body.addEventListener("dblclick", (event) => {
    const target = /** @type {HTMLElement} */ (event.target).closest("[data-picture]");
    if (target instanceof HTMLElement) actions.open(String(target.dataset.picture));
  });
  body.addEventListener("keydown", (event) => {
    const step = stepOf(event.key, Math.floor(grid.clientHeight / LINE) - 1, shown.length);
    if (step !== 0) move(focused + step);
    else if (event.key === "Enter" && shown[focused]) actions.open(shown[focused].picture.name);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(grid);

  return {
    element: grid,
    /**
     * @param {Table} table
     * @param {Entry[]} entries
     * @param {View} view
     */
    show(table, entries, view) {
      const hadFocus = body.contains(document.activeElement);
      const drawn = (/** @type {View | undefined} */ view) => JSON.stringify([view?.columns, view?.tile]);
      if (entries !== shown || drawn(view) !== drawn(now?.view)) lines.clear();
      if (entries !== shown) {
        focused = Math.max(
          0,
          entries.findIndex((entry) => entry.picture.name === view.selected),
        );
        grid.setAttribute("aria-rowcount", String(entries.length + 1));
      }
      [shown, now] = [entries, { table, view }];
      head.replaceChildren(...headOf(table, view, actions.change));
      grid.style.setProperty("--columns", String(view.columns.length));
      grid.style.setProperty("--maps", String((view.checkpoint === BOTH ? 2 : 1) + Number(hasMasks(table))));
      draw();
      if (hadFocus && !body.contains(document.activeElement)) focusLine();
    },
  };
}

/**
 * How many rows a key goes on.
 * @param {string} key
 * @param {number} page
 * @param {number} count
 */
function stepOf(key, page, count) {
  /** @type {Record<string, number>} */
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count };
  return steps[key] ?? 0;
}

/**
 * One row of the grid.
 * @param {Table} table
 * @param {View} view
 * @param {Entry} entry
 * @param {number} index
 */
function line(table, view, { picture, rows }, index) {
  const card = make("div", {
    role: "row",
    class: "line",
    "aria-rowindex": index + 2,
    "data-index": index,
    "data-picture": picture.name,
  });
  card.style.transform = `translateY(${index * LINE}px)`;
  const photo = make("img", { alt: "", src: picture.photo });
  const tile = table.tiles[view.tile];
  const maps = rows.map((row) => {
    const map = make("span", { class: "map" });
    showTile(map, row.maps, view.tile, table.tiles.length, `${tile?.title} of ${picture.name}`);
    return map;
  });
  const mask = picture.mask ? [make("img", { alt: `Mask of ${picture.name}`, src: picture.mask })] : [];
  const why = rows.map((row) => row.why).join("\n");
  card.append(
    make("div", { role: "gridcell", class: "small-pictures" }, photo, ...maps, ...mask),
    make(
      "div",
      { role: "gridcell", class: "name" },
      make("strong", {}, picture.name),
      make("span", { class: "why", title: why }, rows[0]?.why ?? ""),
    ),
    ...view.columns.map((column) => {
      const numbers = rows.map((row) => make("span", {}, told(row.values[column])));
      const key = table.columns[column]?.key ?? "";
      return make("div", { role: "gridcell", class: "number", "data-key": key }, ...numbers);
    }),
  );
  return card;
}

/** @param {Table} table */
const hasMasks = ({ pictures }) => pictures.some(({ mask }) => mask);

/**
 * A map of a row, as a part of its strip of small maps.
 * @param {HTMLElement} place
 * @param {string} maps
 * @param {number} index
 * @param {number} count
 * @param {string} title
 */
export function showTile(place, maps, index, count, title) {
  place.style.backgroundImage = maps ? `url("${maps}")` : "none";
  place.style.backgroundSize = `${count * 100}% 100%`;
  place.style.backgroundPosition = `${count > 1 ? (100 * index) / (count - 1) : 0}% 0`;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", title);
}

/**
 * The cells of the grid's first row.
 * @param {Table} table
 * @param {View} view
 * @param {(part: Partial<View>) => void} change
 */
function headOf(table, view, change) {
  const both = view.checkpoint === BOTH;
  const cells = view.columns.map((column) => {
    const { title = "", meaning = "" } = table.columns[column] ?? {};
    const sorted = column === view.sort;
    const order = view.descending ? "descending" : "ascending";
    const arrow = sorted ? (view.descending ? " ▼" : " ▲") : "";
    const sort = button(title, () => change({ sort: column, descending: sorted ? !view.descending : true }), {
      title: both ? `${meaning}; sorts by the difference` : meaning,
    });
    sort.append(make("span", { "aria-hidden": "true" }, arrow));
    return make("div", { role: "columnheader", class: "number", "aria-sort": sorted ? order : "none" }, sort);
  });
  return [
    make(
      "div",
      { role: "columnheader", class: "small-pictures" },
      `photo, ${both ? "both maps" : "map"}${hasMasks(table) ? ", mask" : ""}`,
    ),
    make("div", { role: "columnheader", class: "name" }, "picture, and why"),
    ...cells,
  ];
}
