// The grid of pictures: only the rows in sight are in the page, so that thousands stay smooth.

import { element, showTile } from "./elements.js";
import { BOTH, told } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

const LINE = 64;
const SPARE = 4;

/**
 * @param {Table} table
 * @param {{change: (part: Partial<View>) => void, open: (name: string) => void}} actions
 */
export function makeGrid(table, actions) {
  const head = element("div", { role: "row", class: "line head", "aria-rowindex": 1 });
  const body = element("div", { role: "rowgroup", class: "body" });
  const grid = element("div", { role: "grid", class: "grid", "aria-label": "Pictures" });
  grid.append(element("div", { role: "rowgroup", class: "head-group" }, head), body);
  /** @type {Entry[]} */
  let shown = [];
  /** @type {View | null} */
  let view = null;
  let focused = 0;

  function draw() {
    if (view === null) return;
    const now = view;
    const first = Math.max(0, Math.floor(grid.scrollTop / LINE) - SPARE);
    const last = Math.min(shown.length, Math.ceil((grid.scrollTop + grid.clientHeight) / LINE) + SPARE);
    const indices = [];
    for (let index = first; index < last; index++) indices.push(index);
    if (focused < shown.length && !indices.includes(focused)) indices.push(focused); // it keeps the keyboard's place
    const held = body.contains(document.activeElement);
    body.style.height = `${shown.length * LINE}px`;
    body.replaceChildren(
      ...indices.map((index) => line(table, now, /** @type {Entry} */ (shown[index]), index, index === focused)),
    );
    if (held) focusLine();
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
     * @param {Entry[]} entries
     * @param {View} now
     */
    show(entries, now) {
      if (entries !== shown) {
        focused = Math.max(
          0,
          entries.findIndex((entry) => entry.picture.name === now.selected),
        );
        grid.setAttribute("aria-rowcount", String(entries.length + 1));
      }
      [shown, view] = [entries, now];
      head.replaceChildren(...headOf(table, now, actions.change));
      grid.style.setProperty("--columns", String(now.columns.length));
      grid.style.setProperty("--maps", now.checkpoint === BOTH ? "2" : "1");
      draw();
    },
  };
}

/**
 * How many rows a key goes on.
 * @param {string} key
 * @param {number} page
 * @param {number} all
 */
function stepOf(key, page, all) {
  /** @type {Record<string, number>} */
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -all, End: all };
  return steps[key] ?? 0;
}

/**
 * One row of the grid.
 * @param {Table} table
 * @param {View} view
 * @param {Entry} entry
 * @param {number} index
 * @param {boolean} focusable
 */
function line(table, view, { picture, rows }, index, focusable) {
  const made = element("div", {
    role: "row",
    class: "line",
    "aria-rowindex": index + 2,
    "aria-selected": picture.name === view.selected,
    tabindex: focusable ? 0 : -1,
    "data-index": index,
    "data-picture": picture.name,
  });
  made.style.transform = `translateY(${index * LINE}px)`;
  const photo = element("img", { alt: "", src: `data:image/jpeg;base64,${picture.photo}` });
  const tile = table.tiles[view.tile];
  const maps = rows.map((row) => {
    const map = element("span", { class: "map" });
    showTile(map, row.maps, view.tile, table.tiles.length, `${tile?.title} of ${picture.name}`);
    return map;
  });
  const why = rows.map((row) => row.why).join("\n");
  made.append(
    element("div", { role: "gridcell", class: "pictures" }, photo, ...maps),
    element(
      "div",
      { role: "gridcell", class: "name" },
      element("strong", {}, picture.name),
      element("span", { class: "why", title: why }, rows[0]?.why ?? ""),
    ),
    ...view.columns.map((column) => {
      const numbers = rows.map((row) => element("span", {}, told(row.values[column])));
      const key = table.columns[column]?.key ?? "";
      return element("div", { role: "gridcell", class: "number", "data-key": key }, ...numbers);
    }),
  );
  return made;
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
    const button = element("button", { type: "button", title: both ? `${meaning}; sorts by the difference` : meaning });
    const arrow = sorted ? (view.descending ? " ▼" : " ▲") : "";
    button.append(title, element("span", { "aria-hidden": true }, arrow));
    button.addEventListener("click", () => change({ sort: column, descending: sorted ? !view.descending : true }));
    return element("div", { role: "columnheader", class: "number", "aria-sort": sorted ? order : "none" }, button);
  });
  return [
    element("div", { role: "columnheader", class: "pictures" }, both ? "photo, both maps" : "photo, map"),
    element("div", { role: "columnheader", class: "name" }, "picture, and why"),
    ...cells,
  ];
}
