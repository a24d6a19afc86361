// The chosen picture: its photo, map and mask, why it is bad, and all of its numbers.

import { button, make } from "../dom.js";
import { showTile } from "./grid.js";
import { told } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

/**
 * @param {Table} table
 * @param {View} view
 * @param {Entry | undefined} entry
 * @param {((picture: string) => void) | undefined} onOpen
 */
export function detailsOf(table, view, entry, onOpen) {
  if (!entry) return [make("p", {}, "No picture fits. Clear the search or the limits.")];
  const { picture, rows } = entry;
  /** @type {HTMLElement[]} */
  const children = [make("h2", {}, picture.name), picturesOf(table, view, entry)];
  for (const row of rows) {
    if (!row.why) continue;
    const name = rows.length > 1 ? `${table.checkpoints[row.checkpoint]}: ` : "";
    children.push(make("p", { class: "why-whole" }, `${name}${row.why}`));
  }
  if (onOpen) children.push(button("Open in Explore", () => onOpen(picture.name), { class: "primary" }));
  return [...children, numbersOf(table, entry)];
}

/**
 * @param {Table} table
 * @param {View} view
 * @param {Entry} entry
 */
function picturesOf(table, view, { picture, rows }) {
  const [width, height] = picture.size;
  const photo = make("img", { alt: `Photo ${picture.name}`, src: picture.photo });
  const maps = rows.map((row) => {
    const map = make("span", { class: "map", style: `aspect-ratio: ${width} / ${height}` });
    const title = `${table.tiles[view.tile]?.title}, ${table.checkpoints[row.checkpoint]}`;
    showTile(map, row.maps, view.tile, table.tiles.length, title);
    return map;
  });
  const mask = picture.mask ? [make("img", { alt: `Mask of ${picture.name}`, src: picture.mask })] : [];
  return make("div", { class: "pair" }, photo, ...maps, ...mask);
}

/**
 * @param {Table} table
 * @param {Entry} entry
 */
function numbersOf(table, { rows }) {
  const body = make("tbody");
  for (const [index, column] of table.columns.entries()) {
    const cells = rows.map((row) => make("td", {}, told(row.values[index])));
    const head = make("th", { scope: "row", title: column.meaning }, column.title);
    body.append(make("tr", { "data-key": column.key }, head, ...cells));
  }
  const names = rows.map((row) => make("th", { scope: "col" }, table.checkpoints[row.checkpoint] ?? ""));
  const top = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "number"), ...names));
  return make("details", {}, make("summary", {}, "All numbers"), make("table", {}, top, body));
}
