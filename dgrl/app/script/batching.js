// Batch: several photos, with masks or two checkpoints, sorted by error or by disagreement.

import { make, write } from "../../explorer/script/dom.js";
import { number } from "../../explorer/script/numbers.js";
import { fileData } from "./requests.js";

/** @typedef {import("./links.js").Photo} Photo */
/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./requests.js").Server} Server */
/** @typedef {{photo: Photo, mask: string | null, answer: any, error: string}} Row */

const AT_ONCE = 2;
const MOST = 200;
const stem = (/** @type {string} */ name) => name.replace(/\.[^.]*$/, "");

/**
 * @param {Server} server
 * @param {{scene: () => Scene, photos: Photo[], checkpoints: string[], own: (content: Blob, name: string) => Promise<Photo>,
 *   open: (photo: Photo, other: string | null) => void}} host
 */
export function makeBatching(server, host) {
  const input = make("input", {
    type: "file",
    accept: "image/*,.heic",
    multiple: true,
    hidden: true,
    id: "batch-files",
  });
  const masks = make("input", { type: "file", accept: "image/*", multiple: true, hidden: true, id: "batch-masks" });
  const other = make(
    "select",
    { "aria-label": "Another checkpoint" },
    make("option", { value: "" }, "no second checkpoint"),
  );
  other.append(...host.checkpoints.map((value) => make("option", { value }, `beside ${value}`)));
  const photosButton = make("button", { type: "button", click: () => input.click() }, "Photos …");
  const masksButton = make("button", { type: "button", click: () => masks.click() }, "Masks of the same names …");
  const examples = make("button", { type: "button", click: () => run(host.photos.filter((one) => one.example)) });
  examples.append("The examples");
  const words = make("p", { class: "said", role: "status" }, "Choose photos; they are sorted when all have been seen.");
  const list = make("ol", { class: "batch" });
  const element = make(
    "section",
    { class: "page batching", "aria-label": "Batch" },
    make("div", { class: "row" }, photosButton, input, masksButton, masks, other, examples, words),
    list,
  );
  /** @type {Row[]} */
  let rows = [];
  let round = 0;

  input.addEventListener("change", async () => {
    const files = [...(input.files ?? [])].slice(0, MOST);
    input.value = "";
    write(words, `Sending ${files.length} photos …`);
    /** @type {Photo[]} */
    const sent = [];
    /** @type {string[]} */
    const refused = [];
    for (const file of files) {
      try {
        sent.push(await host.own(file, file.name));
      } catch (error) {
        refused.push(`${file.name}: ${/** @type {Error} */ (error).message}`);
      }
    }
    await run(sent, refused);
  });
  masks.addEventListener("change", async () => {
    for (const file of [...(masks.files ?? [])].slice(0, MOST)) {
      const photo = host.photos.find(({ name }) => name === stem(file.name));
      if (photo) photo.mask = await server.upload(file, file.name);
    }
    masks.value = "";
    if (rows.length) await run(rows.map((row) => row.photo));
  });
  other.addEventListener("change", () => rows.length && run(rows.map((row) => row.photo)));

  /**
   * @param {Photo[]} photos
   * @param {string[]} refused
   */
  async function run(photos, refused = []) {
    round += 1;
    const own = round;
    const { first } = host.scene();
    rows = photos.map((photo) => ({ photo, mask: photo.mask, answer: null, error: "" }));
    const beside = other.value && other.value !== first.checkpoint ? other.value : null;
    let done = 0;
    const waiting = [...rows];
    const work = async () => {
      for (let row = waiting.shift(); row && own === round; row = waiting.shift()) {
        const wish = { photo: fileData(row.photo.path), checkpoint: first.checkpoint, steps: first.steps };
        const mask = row.mask && !beside ? fileData(row.mask) : null;
        try {
          [row.answer] = await server.call("weigh", [{ wish, mask, other: beside }]);
        } catch (error) {
          row.error = /** @type {Error} */ (error).message;
        }
        done += 1;
        if (own === round) write(words, `${done} of ${rows.length} seen`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (own !== round) return;
    const score = (/** @type {Row} */ row) => row.answer?.score ?? -1;
    rows.sort((a, b) => score(b) - score(a));
    const measured = rows.filter((row) => row.answer?.score !== null && row.answer).map(score);
    const mean = measured.reduce((sum, value) => sum + value, 0) / measured.length;
    const what = beside ? "disagreement" : "error (MAE, not stretched)";
    const said = measured.length
      ? `Sorted by ${what}, largest first; mean ${number(mean, 4)}.`
      : `${rows.length} seen.`;
    write(words, [said, ...refused].join(" "));
    list.replaceChildren(...rows.map((row) => card(row, beside)));
  }

  /**
   * @param {Row} row
   * @param {string | null} beside
   */
  function card({ photo, answer, error }, beside) {
    if (!answer) return make("li", { class: "refused" }, error);
    const pictures = [answer.thumbnail, answer.map].map((path) => make("img", { src: server.address(path), alt: "" }));
    const score = answer.score === null ? "" : number(answer.score, 4);
    const text = make("span", {}, photo.name, make("strong", {}, score));
    return make(
      "li",
      {},
      make("button", { type: "button", class: "card", click: () => host.open(photo, beside) }, ...pictures, text),
    );
  }

  return { element };
}
