// Batch: several photos, with masks or two checkpoints, sorted by error or by disagreement.

import { make, write } from "../../explorer/script/dom.js";
import { number } from "../../explorer/script/numbers.js";
import { isPicture, PICTURES } from "./pictures.js";
import { fileData } from "./requests.js";
import { makeZip } from "./zipping.js";

/** @typedef {import("./links.js").Photo} Photo */
/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./requests.js").Server} Server */
/** @typedef {{photo: Photo, mask: string | null, checkpoint: string, steps: number | null, answer: any, error: string}} Row */

const AT_ONCE = 2;
const MOST = 200;
const NAMED = 5;
const OFFER = "Download all maps and cut-outs";
/** What `dgrl detect` puts to a photo's name. */
const ENDS = [".png", "_cutout.png"];
const pathOf = (/** @type {File} */ { webkitRelativePath, name }) => webkitRelativePath || name;
const stem = (/** @type {string} */ name) => name.replace(/\.[^.]*$/, "");

/**
 * @param {Server} server
 * @param {{scene: () => Scene, photos: Photo[], checkpoints: string[], own: (content: Blob, name: string) => Promise<Photo>,
 *   open: (photo: Photo, other: string | null) => void}} host
 */
export function makeBatching(server, host) {
  const input = make("input", {
    type: "file",
    accept: PICTURES,
    multiple: true,
    hidden: true,
    id: "batch-files",
  });
  const folder = make("input", {
    type: "file",
    webkitdirectory: true,
    multiple: true,
    hidden: true,
    id: "batch-folder",
  });
  const masks = make("input", { type: "file", accept: PICTURES, multiple: true, hidden: true, id: "batch-masks" });
  const other = make(
    "select",
    { "aria-label": "Another checkpoint" },
    make("option", { value: "" }, "no second checkpoint"),
  );
  other.hidden = host.checkpoints.length < 2;
  other.append(...host.checkpoints.map((value) => make("option", { value }, `beside ${value}`)));
  const photosButton = make("button", { type: "button", class: "primary", click: () => input.click() }, "Photos …");
  const folderButton = make("button", { type: "button", click: () => folder.click() }, "A folder …");
  const masksButton = make("button", { type: "button", click: () => masks.click() }, "Masks of the same names …");
  const examples = make("button", { type: "button", click: () => run(host.photos.filter((one) => one.example)) });
  examples.append("The examples");
  const all = make("button", { type: "button", hidden: true, click: () => (packing ? packing.abort() : pack()) });
  const words = make("p", { class: "said", role: "status" }, "Choose photos; they are sorted when all have been seen.");
  const list = make("ol", { class: "batch" });
  const element = make(
    "section",
    { class: "page batching", "aria-label": "Batch" },
    make("div", { class: "row" }, photosButton, input, folderButton, folder, masksButton, masks, other, examples, all),
    words,
    list,
  );
  /** @type {Row[]} */
  let rows = [];
  let round = 0;
  /** @type {AbortController | null} */
  let packing = null;

  input.addEventListener("change", () => send(input));
  folder.addEventListener("change", () => send(folder));

  /** @param {HTMLInputElement} chosen */
  async function send(chosen) {
    const given = [...(chosen.files ?? [])]
      .filter(({ name }) => !name.startsWith("."))
      .sort((a, b) => pathOf(a).localeCompare(pathOf(b)));
    chosen.value = "";
    const pictures = given.filter(isPicture);
    const files = pictures.slice(0, MOST);
    /** @type {Photo[]} */
    const sent = [];
    /** @type {string[]} */
    const refused = [];
    const others = given.filter((file) => !isPicture(file)).map(pathOf);
    if (others.length)
      refused.push(`No pictures: ${others.slice(0, NAMED).join(", ")}${others.length > NAMED ? " …" : ""}.`);
    if (pictures.length > MOST) refused.push(`The first ${MOST} of ${pictures.length} were taken.`);
    for (const [index, file] of files.entries()) {
      write(words, `Sending ${index + 1} of ${files.length} …`);
      try {
        sent.push(await host.own(file, file.name));
      } catch (error) {
        refused.push(`${file.name}: ${/** @type {Error} */ (error).message}`);
      }
    }
    await run(sent, refused);
  }
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
    const { checkpoint, steps } = host.scene().first;
    packing?.abort();
    all.hidden = true;
    rows = photos.map((photo) => ({ photo, mask: photo.mask, checkpoint, steps, answer: null, error: "" }));
    const beside = other.value && other.value !== checkpoint ? other.value : null;
    let done = 0;
    const waiting = [...rows];
    const work = async () => {
      for (let row = waiting.shift(); row && own === round; row = waiting.shift()) {
        const wish = { photo: fileData(row.photo.path), checkpoint, steps };
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
    all.hidden = !rows.some((row) => row.answer);
    write(all, OFFER);
  }

  /** Every map and cut-out, in the photos' own sizes, as one file. */
  async function pack() {
    const stopped = new AbortController();
    packing = stopped;
    const zip = makeZip();
    const seen = rows.filter((row) => row.answer);
    const waiting = [...seen];
    /** @type {string[]} */
    const missing = [];
    let done = 0;
    const tell = () => write(all, `Stop (${done} of ${seen.length})`);
    tell();
    const work = async () => {
      for (let row = waiting.shift(); row && !stopped.signal.aborted; row = waiting.shift()) {
        const { name, path } = row.photo;
        const asked = [fileData(path), row.checkpoint, row.steps ?? -1, true];
        try {
          const [saliency, cut] = await server.call("detect", asked, { signal: stopped.signal });
          const files = await Promise.all([saliency.path, cut.path].map(server.bytes));
          const kept = files.every((content, i) => zip.add(`${name}${ENDS[i]}`, content));
          if (!kept) missing.push(`${name}: there is no more room in the file`);
        } catch (error) {
          missing.push(`${name}: ${/** @type {Error} */ (error).message}`);
        }
        done += 1;
        if (!stopped.signal.aborted) tell();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (packing === stopped) {
      packing = null;
      write(all, OFFER);
    }
    if (stopped.signal.aborted) return;
    if (missing.length) write(words, `Not in the file: ${missing.join("; ")}`);
    const href = URL.createObjectURL(zip.blob());
    make("a", { href, download: "dgrl_batch.zip" }).click();
    window.setTimeout(() => URL.revokeObjectURL(href), 60_000);
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
