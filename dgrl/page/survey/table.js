// A survey's table: which entries are shown, in which order, and as text. No drawing.

/**
 * @typedef {{key: string, title: string, group: string, meaning: string, better: "lower" | "higher" | null}} Column
 * @typedef {{name: string, size: [number, number], photo: string, mask: string}} Picture its size, and the URLs of a small
 *   one and of its mask, "" without one
 * @typedef {{picture: number, checkpoint: number, values: (number | null)[], why: string, maps: string}} Row
 * @typedef {{
 *   format: string, columns: Column[], checkpoints: string[], tiles: {key: string, title: string}[], tile: number,
 *   pictures: Picture[], rows: Row[],
 * }} Table written by `Survey.for_page` in Python
 * @typedef {{picture: Picture, rows: Row[]}} Entry one line of the grid: a picture with one row, or one of each
 *   checkpoint
 * @typedef {{
 *   checkpoint: number, sort: number, descending: boolean, search: string,
 *   filter: {column: number, low: number | null, high: number | null},
 *   tile: number, columns: number[], x: number, y: number, selected: string | null,
 * }} View what is shown; columns by their place in the table, `BOTH` for two checkpoints side by side
 */

export const BOTH = -1;

/**
 * Join several tables: the result has the columns of the widest. A number goes into the column with the same meaning.
 * @param {Table[]} tables
 * @returns {Table}
 */
export function joined(tables) {
  const [widest] = tables.toSorted((a, b) => b.columns.length - a.columns.length);
  const widestMeanings = meanings(/** @type {Table} */ (widest));
  /** @type {Picture[]} */
  const pictures = [];
  const rows = tables.flatMap((table) => {
    const tableMeanings = meanings(table);
    const places = widestMeanings.map((meaning, place) =>
      tableMeanings[place] === meaning ? place : tableMeanings.indexOf(meaning),
    );
    const before = pictures.length;
    pictures.push(...table.pictures);
    return table.rows.map((row) => ({
      ...row,
      picture: before + row.picture,
      values: places.map((place) => row.values[place] ?? null),
    }));
  });
  return { .../** @type {Table} */ (widest), pictures, rows };
}

/** @type {WeakMap<Table, string[]>} */
const meaningsOf = new WeakMap();

/**
 * Key and meaning of each column, as one text. A survey in the app asks for them again with every picture.
 * @param {Table} table
 */
function meanings(table) {
  const columnMeanings = meaningsOf.get(table) ?? table.columns.map(({ key, meaning }) => `${key}: ${meaning}`);
  meaningsOf.set(table, columnMeanings);
  return columnMeanings;
}

/**
 * The view at the start: the worst pictures first, or those on which two checkpoints disagree most.
 * @param {Table} table
 * @returns {View}
 */
export function firstView(table) {
  const place = (/** @type {string} */ key) => table.columns.findIndex((column) => column.key === key);
  const present = (/** @type {string[]} */ keys) => keys.map(place).filter((index) => index >= 0);
  const coarse = table.columns.find((column) => column.key.startsWith("on_object_conv5"))?.key ?? "";
  const last = table.columns.filter((column) => column.key.startsWith("on_object_conv5")).at(-1)?.key ?? "";
  const two = table.checkpoints.length > 1;
  const [sort = 0] = present(two ? ["MAE_refined", "disagreement"] : ["MAE_refined", last, "found_share"]);
  const columns = present(["MAE_refined", "disagreement", "MAE_t0", coarse, last, "change_refined", "object_share"]);
  const [x = 0, y = 0] = [present([last, "object_share"])[0], present(["MAE_refined", "found_share"])[0]];
  const descending = table.columns[sort]?.better !== "higher" || two;
  const tile = Math.max(
    0,
    table.tiles.findIndex((tile) => tile.key === "refined"),
  );
  return {
    checkpoint: two ? BOTH : 0,
    sort,
    descending,
    search: "",
    filter: { column: sort, low: null, high: null },
    tile,
    columns: [...new Set(columns)].slice(0, 5),
    x,
    y,
    selected: null,
  };
}

/**
 * The entries of the view, in its order. Entries without a number come last.
 * @param {Table} table
 * @param {View} view
 * @returns {Entry[]}
 */
export function entries(table, view) {
  /** @type {Map<number, Row[]>} */
  const byPicture = new Map();
  for (const row of table.rows) {
    if (view.checkpoint !== BOTH && row.checkpoint !== view.checkpoint) continue;
    const rows = byPicture.get(row.picture) ?? [];
    rows.push(row);
    byPicture.set(row.picture, rows);
  }
  const search = view.search.trim().toLowerCase();
  const shown = [];
  for (const [index, rows] of byPicture) {
    const entry = { picture: /** @type {Picture} */ (table.pictures[index]), rows };
    if (search && !`${entry.picture.name}\n${rows.map((row) => row.why).join("\n")}`.toLowerCase().includes(search))
      continue;
    if (passes(entry, view.filter)) shown.push(entry);
  }
  const sign = view.descending ? -1 : 1;
  return shown.sort((a, b) => {
    const [firstValue, secondValue] = [sortValue(a, view.sort), sortValue(b, view.sort)];
    if (firstValue === null || secondValue === null) return Number(firstValue === null) - Number(secondValue === null);
    return sign * (firstValue - secondValue) || a.picture.name.localeCompare(b.picture.name);
  });
}

/**
 * What an entry is sorted by: its number, or how far those of two checkpoints are apart.
 * @param {Entry} entry
 * @param {number} column
 * @returns {number | null}
 */
export function sortValue(entry, column) {
  const [first, second] = entry.rows.map((row) => row.values[column] ?? null);
  if (entry.rows.length < 2) return first ?? null;
  if (first === null || second === null || first === undefined || second === undefined) return null;
  return Math.abs(first - second);
}

/**
 * @param {Entry} entry
 * @param {View["filter"]} filter
 */
function passes(entry, filter) {
  if (filter.low === null && filter.high === null) return true;
  return entry.rows.some((row) => {
    const value = row.values[filter.column];
    if (value === null || value === undefined) return false;
    return value >= (filter.low ?? -Infinity) && value <= (filter.high ?? Infinity);
  });
}

/**
 * A number as the grid shows it.
 * @param {number | null | undefined} value
 */
export function told(value) {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? String(value) : value.toFixed(3).replace("-", "−");
}

/**
 * How often numbers fall into each of `count` bins of equal width.
 * @param {number[]} values
 * @param {number} count
 */
export function histogram(values, count) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const width = (high - low) / count || 1;
  const bins = new Array(count).fill(0);
  for (const value of values) bins[Math.min(count - 1, Math.floor((value - low) / width))] += 1;
  return { low, high, bins: /** @type {number[]} */ (bins) };
}

/**
 * The entries as CSV, with all columns.
 * @param {Table} table
 * @param {Entry[]} shown
 */
export function asCsv(table, shown) {
  const quoted = (/** @type {unknown} */ value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [["picture", "checkpoint", ...table.columns.map((column) => column.key), "why"]];
  for (const entry of shown)
    for (const row of entry.rows)
      lines.push([entry.picture.name, table.checkpoints[row.checkpoint] ?? "", ...row.values.map(String), row.why]);
  return lines.map((line) => `${line.map((cell) => quoted(cell === "null" ? "" : cell)).join(",")}\n`).join("");
}

/**
 * The entries as JSON, an object for each row.
 * @param {Table} table
 * @param {Entry[]} shown
 */
export function asJson(table, shown) {
  const rows = shown.flatMap((entry) =>
    entry.rows.map((row) => ({
      picture: entry.picture.name,
      checkpoint: table.checkpoints[row.checkpoint],
      ...Object.fromEntries(table.columns.map((column, index) => [column.key, row.values[index] ?? null])),
      why: row.why,
    })),
  );
  return JSON.stringify({ format: table.format, columns: table.columns, rows }, null, 1);
}
