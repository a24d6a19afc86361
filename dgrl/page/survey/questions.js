// The questions that a survey is for: each with its answer in a sentence and the view that shows it.

import { make } from "../dom.js";
import vocabulary from "../vocabulary.js";
import { answerPerCheckpoint, comparison, effect, levelsAndLooks, offAt, offObject, rowsOf } from "./answers.js";
import { BOTH } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").View} View
 * @typedef {import("./answers.js").AttentionMap} AttentionMap
 * @typedef {{title: string, answer: string, view: Partial<View>}} Question
 */

const { questions: TITLES, effects: EFFECTS } = vocabulary.survey;

/**
 * The questions that a table's columns can answer.
 * @param {Table} table
 * @returns {Question[]}
 */
export function questions(table) {
  const maps = table.columns.flatMap(({ key }, column) => {
    const [, level, t] = /^on_object_(\w+)_t(\d+)$/.exec(key) ?? [];
    return level ? [{ level, t: Number(t), column }] : [];
  });
  return [...attention(table, maps), ...parts(table), ...checkpoints(table, maps)];
}

/**
 * @param {Table} table
 * @param {string} key
 */
const place = (table, key) => table.columns.findIndex((column) => column.key === key);

/**
 * A view of the first checkpoint that is sorted by one column, from the smallest on, with others beside it.
 * @param {Table} table
 * @param {string[]} keys of the columns
 * @param {string} map key of the map that the rows show
 * @returns {Partial<View>}
 */
function sorted(table, keys, map) {
  const columns = keys.map((key) => place(table, key)).filter((column) => column >= 0);
  const sort = columns[0] ?? 0;
  const tile = Math.max(
    0,
    table.tiles.findIndex(({ key }) => key === map),
  );
  const filter = { column: sort, low: null, high: null };
  return { checkpoint: 0, sort, descending: false, columns: columns.slice(0, 5), tile, search: "", filter };
}

/**
 * @param {Table} table
 * @param {AttentionMap[]} maps
 * @returns {Question[]}
 */
function attention(table, maps) {
  const [focus, area] = [place(table, "focus"), place(table, "object_share")];
  const last = maps.at(-1);
  if (focus < 0 || !last) return [];
  const count = ({ column = 0 }) => offAt(rowsOf(table, 0), column, area);
  const worst = maps.reduce((a, b) => (count(b) > count(a) ? b : a));
  const keys = maps.filter(({ level }) => level === worst.level).map(({ level, t }) => `on_object_${level}_t${t}`);
  const ends = maps.filter(({ t }) => t === last.t).map(({ level, t }) => `on_object_${level}_t${t}`);
  return [
    {
      title: TITLES.off,
      answer: answerPerCheckpoint(table, (rows) => offObject(rows, focus)),
      view: sorted(table, ["focus", ...ends.toReversed(), "object_share"], `${last.level}_t${last.t}`),
    },
    {
      title: TITLES.where,
      answer: answerPerCheckpoint(table, (rows) => levelsAndLooks(table, rows, maps, area)),
      view: sorted(table, ["focus", ...keys, "object_share"], `${worst.level}_t${worst.t}`),
    },
  ];
}

/**
 * @param {Table} table
 * @returns {Question[]}
 */
function parts(table) {
  const [memory, kernel] = [place(table, "without_memory"), place(table, "without_kernel")];
  if (place(table, "MAE_refined") < 0) return [];
  const looks = table.tiles.filter(({ key }) => /^t\d+$/.test(key)).map(({ key }) => key);
  const last = looks.at(-1) ?? "t0";
  const answers = [];
  if (memory >= 0 && looks.length > 1)
    answers.push({
      title: TITLES.memory,
      answer: answerPerCheckpoint(table, (rows) => effect(rows, memory, EFFECTS.memory)),
      view: sorted(table, ["without_memory", "MAE_t0", `MAE_${last}`, "MAE_refined"], last),
    });
  if (kernel >= 0)
    answers.push({
      title: TITLES.kernel,
      answer: answerPerCheckpoint(table, (rows) => effect(rows, kernel, EFFECTS.kernel)),
      view: sorted(table, ["without_kernel", "lean", "change_refined", "MAE_refined"], "refined"),
    });
  return answers;
}

/**
 * @param {Table} table
 * @param {AttentionMap[]} maps
 * @returns {Question[]}
 */
function checkpoints(table, maps) {
  if (table.checkpoints.length < 2) return [];
  const last = maps.filter(({ t }) => t === maps.at(-1)?.t);
  const columns = [...last.map(({ column }) => column), place(table, "MAE_refined")];
  const key = last.at(-1) ? `${last.at(-1)?.level}_t${last.at(-1)?.t}` : "refined";
  const keys = last.toReversed().map(({ level, t }) => `on_object_${level}_t${t}`);
  const view = sorted(table, [...keys, "disagreement", "MAE_refined"], key);
  return [
    {
      title: TITLES.checkpoint,
      answer: comparison(table, columns),
      view: { ...view, checkpoint: BOTH, descending: true },
    },
  ];
}

/**
 * The choice of a question, and its answer.
 * @param {(view: Partial<View>) => void} onAsk
 */
export function makeQuestions(onAsk) {
  /** @type {Question[]} */
  let shownQuestions = [];
  const select = make("select", {
    change: () => {
      const question = shownQuestions.find(({ title }) => title === select.value);
      onAsk(question?.view ?? {});
    },
  });
  const answer = make("p", { class: "answer", role: "status" });
  return {
    choice: make("label", { class: "labelled question" }, make("span", {}, "Question"), select),
    answer,
    /** @param {Table} table */
    show(table) {
      shownQuestions = questions(table);
      const asked = shownQuestions.find(({ title }) => title === select.value);
      const options = shownQuestions.map(({ title }) => make("option", { value: title }, title));
      select.replaceChildren(make("option", { value: "" }, "choose a question"), ...options);
      select.value = asked?.title ?? "";
      answer.hidden = !asked;
      if (answer.textContent !== (asked?.answer ?? "")) answer.textContent = asked?.answer ?? "";
    },
  };
}
