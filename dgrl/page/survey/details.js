// The chosen picture: its photo and map, why it is bad, and all of its numbers.

import { element, showTile } from "./elements.js";
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
  if (!entry) return [element("p", {}, "No picture fits. Clear the search or the limits.")];
  const { picture, rows } = entry;
  /** @type {HTMLElement[]} */
  const children = [element("h2", {}, picture.name), picturesOf(table, view, entry)];
  for (const row of rows) {
    const name = rows.length > 1 ? `${table.checkpoints[row.checkpoint]}: ` : "";
    children.push(element("p", { class: "why-whole" }, `${name}${row.why}`));
  }
  if (onOpen) {
    const button = element("button", { type: "button", class: "primary" }, "Open in Explore");
    button.addEventListener("click", () => onOpen(picture.name));
    children.push(button);
  }
  return [...children, numbersOf(table, entry)];
}

/**
 * @param {Table} table
 * @param {View} view
 * @param {Entry} entry
 */
function picturesOf(table, view, { picture, rows }) {
  const [width, height] = picture.size;
  const photo = element("img", { alt: `Photo ${picture.name}`, src: `data:image/jpeg;base64,${picture.photo}` });
  const maps = rows.map((row) => {
    const map = element("span", { class: "map" });
    map.style.aspectRatio = `${width} / ${height}`;
    const title = `${table.tiles[view.tile]?.title}, ${table.checkpoints[row.checkpoint]}`;
    showTile(map, row.maps, view.tile, table.tiles.length, title);
    return map;
  });
  return element("div", { class: "pair" }, photo, ...maps);
}

/**
 * @param {Table} table
 * @param {Entry} entry
 */
function numbersOf(table, { rows }) {
  const body = element("tbody");
  for (const [index, column] of table.columns.entries()) {
    const cells = rows.map((row) => element("td", {}, told(row.values[index])));
    const head = element("th", { scope: "row", title: column.meaning }, column.title);
    body.append(element("tr", { "data-key": column.key }, head, ...cells));
  }
  const names = rows.map((row) => element("th", { scope: "col" }, table.checkpoints[row.checkpoint] ?? ""));
  const top = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "number"), ...names));
  return element("details", {}, element("summary", {}, "All numbers"), element("table", {}, top, body));
}
