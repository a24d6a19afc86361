// A survey's answers in sentences, from the numbers of all rows. They are those of `dgrl.evaluation.survey.answers`; a
// test compares them.

import vocabulary from "../vocabulary.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {{name: string, values: (number | null)[]}} Named a picture's name and its numbers
 * @typedef {{level: string, t: number, column: number}} AttentionMap a level and time step, and the column of its share on
 *   the object
 */

const { on: ON, certain: CERTAIN, named: NAMED } = vocabulary.survey;

/**
 * The attention on an object over what counts as on it: below 1 it is off the object.
 * @param {number} share of the attention map on the object
 * @param {number} area share of the picture that the object covers, above 0
 */
export const focusOf = (share, area) => share / Math.min(ON * area, (1 + area) / 2);

/**
 * An answer for each checkpoint.
 * @param {Table} table
 * @param {(rows: Named[]) => string} answer
 */
export function answerPerCheckpoint(table, answer) {
  const several = table.checkpoints.length > 1;
  const sentences = table.checkpoints.map(
    (name, index) => `${several ? `${name}: ` : ""}${answer(rowsOf(table, index))}`,
  );
  return sentences.join(" ");
}

/**
 * @param {Table} table
 * @param {number} checkpoint
 * @returns {Named[]}
 */
export function rowsOf(table, checkpoint) {
  return table.rows
    .filter((row) => row.checkpoint === checkpoint)
    .map(({ picture, values }) => ({ name: table.pictures[picture]?.name ?? "", values }));
}

/**
 * The numbers of a column with their pictures, from the smallest on.
 * @param {Named[]} rows
 * @param {number} column
 */
function ordered(rows, column) {
  const numbers = rows.flatMap(({ name, values }) => {
    const value = values[column] ?? null;
    return value === null ? [] : [{ name, value }];
  });
  return numbers.sort((a, b) => a.value - b.value || (a.name < b.name ? -1 : 1));
}

/**
 * The pictures where attention is off the object at a level and look.
 * @param {Named[]} rows
 * @param {number} column
 */
export function offObject(rows, column) {
  const offPictures = ordered(rows, column).filter(({ value }) => value < 1);
  const sentence = `On ${offPictures.length} of ${rows.length} pictures, at one level and look or more`;
  const examples = offPictures.slice(0, NAMED).map(({ name, value }) => `${name} (${value.toFixed(2)})`);
  return offPictures.length ? `${sentence}; least focus: ${examples.join(", ")}.` : `${sentence}.`;
}

/**
 * How many pictures have their attention off the object in one map.
 * @param {Named[]} rows
 * @param {number} column
 * @param {number} area
 */
export function offAt(rows, column, area) {
  return rows.filter(({ values }) => {
    const [share, size] = [values[column] ?? null, values[area] ?? null];
    return share !== null && size && focusOf(share, size) < 1;
  }).length;
}

/**
 * How many pictures have their attention off the object at each level, look by look.
 * @param {Table} table
 * @param {Named[]} rows
 * @param {AttentionMap[]} maps
 * @param {number} area
 */
export function levelsAndLooks(table, rows, maps, area) {
  const levels = [...new Set(maps.map(({ level }) => level))].map((level) => {
    const mapsOfLevel = maps.filter((map) => map.level === level);
    const name = table.columns[mapsOfLevel[0]?.column ?? 0]?.title.split(", ")[1];
    return `${name} ${mapsOfLevel.map(({ column }) => offAt(rows, column, area)).join(", ")}`;
  });
  const count = Math.max(...maps.map(({ t }) => t)) + 1;
  const looks = count === 1 ? "look 1" : `looks 1 to ${count}`;
  return `Pictures of ${rows.length} with attention off the object at ${looks}: ${levels.join("; ")}.`;
}

/**
 * On how many pictures the error grows and falls without a part, and where most.
 * @param {Named[]} rows
 * @param {number} column
 * @param {string} counts a sentence with places for the numbers `{up}`, `{down}` and `{all}`
 */
export function effect(rows, column, counts) {
  const changes = ordered(rows, column);
  const [least, largest] = [changes[0], changes.at(-1)];
  if (!least || !largest) return "No picture has this number.";
  const [up, down] = [1, -1].map((sign) => changes.filter(({ value }) => sign * value > 0).length);
  const mean = changes.reduce((sum, { value }) => sum + value, 0) / changes.length;
  const ends = `most where it helps: ${largest.name} (${signed(largest.value)}); least: ${least.name} (${signed(least.value)})`;
  const countText = counts
    .replace("{up}", String(up))
    .replace("{down}", String(down))
    .replace("{all}", String(changes.length));
  return `${countText}. Error without it: mean ${signed(mean)}, ${ends}.`;
}

/**
 * The mean differences of two checkpoints, picture by picture.
 * @param {Table} table
 * @param {number[]} columns
 */
export function comparison(table, columns) {
  const [before, after] = [rowsOf(table, 0), rowsOf(table, 1)];
  const parts = columns.flatMap((column) => {
    const changes = before.flatMap(({ values }, index) => {
      const [oldValue, newValue] = [values[column] ?? null, after[index]?.values[column] ?? null];
      return oldValue === null || newValue === null ? [] : [newValue - oldValue];
    });
    return changes.length ? [`${table.columns[column]?.title} ${difference(changes)}`] : [];
  });
  return `${table.checkpoints[1]} minus ${table.checkpoints[0]}, mean: ${parts.join("; ")}.`;
}

/** @param {number[]} changes */
function difference(changes) {
  const mean = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  if (changes.length < 2) return signed(mean);
  const variance = changes.reduce((sum, change) => sum + (change - mean) ** 2, 0) / (changes.length - 1);
  return `${signed(mean)} ± ${(CERTAIN * Math.sqrt(variance / changes.length)).toFixed(4)}`;
}

/** @param {number} value */
function signed(value) {
  const text = value.toFixed(4);
  return text.startsWith("-") ? `−${text.slice(1)}` : `+${text}`;
}
