// Batch: many photos, with or without masks; worst first where there are masks. It goes on while another view is open.

import { button, download, fill, make, write } from "../dom.js";
import { number, percent } from "../numbers/format.js";
import { foundIn } from "../numbers/found.js";
import { makeZip } from "../numbers/zip.js";
import { messageOf } from "../state/loader.js";
import vocabulary from "../vocabulary.js";
import { addPhoto, isPicture, PICTURES } from "./photo_picker.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").BatchItem} BatchItem
 * @typedef {import("../state/loader.js").Loader} Loader
 */

const EXAMPLES = 6;
const HINT =
  "Photos, and their masks if there are any: a mask has its photo’s name, or the name with “_mask”. Drop them here.";
/** Words in a file's name that say that it is a mask: dgrl.data.names has the same. */
const MASK_NAME = /(_|-|\b)(mask|gt|label|groundtruth|ground_truth)s?$/i;

/** @type {Omit<BatchItem, "id">} */
const WAITING = { file: null, photo: null, mask: null, status: "waiting", share: null, error: null, mae: null };

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @param {{loader: Loader}} page
 */
export const mountBatch = (element, store, { loader }) => new Batch(element, store, loader);

class Batch {
  /**
   * @param {HTMLElement} element
   * @param {Store} store
   * @param {Loader} loader
   */
  constructor(element, store, loader) {
    this.store = store;
    this.loader = loader;
    this.working = false;
    this.summary = make("p", { role: "status", "data-testid": "batch-summary" });
    this.grid = make("div", { class: "batch-grid", "data-testid": "batch-grid" });
    this.zip = button("Maps and cut-outs (ZIP)", () => this.keep());
    this.csv = button("Numbers (CSV)", () => this.saveTable());
    this.clear = button("Clear", () => store.dispatch({ type: "batch", items: [] }));
    const input = make("input", {
      type: "file",
      accept: PICTURES,
      multiple: true,
      hidden: true,
      "data-testid": "batch-files",
    });
    const folder = make("input", { type: "file", webkitdirectory: true, hidden: true });
    for (const one of [input, folder]) {
      one.addEventListener("change", () => {
        this.add([...(one.files ?? [])]);
        one.value = "";
      });
    }
    const photos = button("Add photos …", () => input.click(), { class: "primary" });
    const folders = button("Add a folder …", () => folder.click());
    const buttons = make("div", { class: "buttons" }, photos, folders, this.zip, this.csv, this.clear, input, folder);
    element.append(
      make("header", {}, make("h2", {}, "Batch"), buttons),
      make("p", { class: "quiet" }, HINT),
      this.summary,
      this.grid,
    );
    store.subscribe((state, before) => {
      const opened = state.scene.view === "batch" && before.scene.view !== "batch";
      if (opened && !state.batch.length) this.examples();
      if (opened || state.batch !== before.batch) this.draw();
    });
    this.draw();
  }

  /**
   * Take photos and masks.
   * @param {File[]} files
   */
  async add(files) {
    const pictures = files.filter(isPicture);
    const skipped = files.length - pictures.length;
    const masks = pictures.filter((file) => isMask(file, pictures));
    const photos = pictures.filter((file) => !masks.includes(file));
    const items = photos.map((file) => ({ ...WAITING, id: newItemId(), file }));
    const { all, unmatched } = withMasks([...this.store.state.batch, ...items], masks);
    this.store.dispatch({ type: "batch", items: all });
    const names = unmatched.map(({ name }) => name).join(", ");
    const text = [
      skipped ? `${skipped} files are not images and were skipped.` : "",
      unmatched.length ? `No photo matches ${unmatched.length === 1 ? "the mask" : "the masks"} ${names}.` : "",
    ].filter(Boolean);
    if (text.length) this.store.dispatch({ type: "notice", text: text.join(" "), kind: "error" });
    await this.work();
  }

  /** Compute one item after the other, also while another view is open. */
  async work() {
    if (this.working) return;
    this.working = true;
    const next = () => this.store.state.batch.find(({ status }) => status === "waiting");
    for (let item = next(); item; item = next()) {
      this.update(item.id, { status: "running" });
      try {
        this.update(item.id, { ...(await this.computed(item)), status: "done" });
      } catch (error) {
        this.update(item.id, { status: "failed", error: messageOf(error) });
      }
    }
    this.working = false;
  }

  /**
   * @param {number} id
   * @param {Partial<BatchItem>} changes
   */
  update(id, changes) {
    const items = this.store.state.batch.map((item) => (item.id === id ? { ...item, ...changes } : item));
    this.store.dispatch({ type: "batch", items });
  }

  /** @param {string} photo */
  request(photo) {
    return { photo, checkpoint: this.store.state.scene.slots[0].checkpoint, steps: null, edits: [] };
  }

  /** @param {BatchItem} item */
  async computed({ id, file, photo: known, mask }) {
    const photo = known ?? (file ? (await addPhoto(this.store, this.loader, file, file.name)).name : "");
    this.update(id, { photo });
    const request = this.request(photo);
    const pass = await this.loader.engine.pass(request, { until: "brn" });
    const refined = /** @type {Float32Array} */ (pass.arrays[`brn.round${pass.header.propagations}`]);
    const { share } = foundIn(refined, vocabulary.found);
    const scores = mask && (await this.loader.engine.measure(request, mask, { stretch: false }));
    return { photo, share, mae: scores ? (scores.scores.refined?.MAE ?? null) : null };
  }

  async keep() {
    const file = makeZip();
    const done = this.store.state.batch.filter(({ status }) => status === "done");
    for (const [i, { photo }] of done.entries()) {
      write(this.summary, `Packing ${i + 1} of ${done.length} …`);
      for (const kind of /** @type {const} */ (["map", "cutout"])) {
        const blob = await this.loader.engine.file(this.request(photo ?? ""), kind);
        file.add(`${photo}${kind === "cutout" ? "_cutout" : ""}.png`, await blob.arrayBuffer());
      }
    }
    save(file.blob(), "dgrl.zip");
    this.draw();
  }

  saveTable() {
    const quoted = (/** @type {string | null} */ text) => `"${(text ?? "").replace(/"/g, '""')}"`;
    const lines = this.store.state.batch.map(({ photo, share, mae }) =>
      [quoted(photo), share ?? "", mae ?? ""].join(","),
    );
    save(new Blob([["photo,object_share,MAE", ...lines, ""].join("\n")], { type: "text/csv" }), "dgrl.csv");
  }

  draw() {
    const items = sorted(this.store.state.batch);
    const done = items.filter(({ status }) => status === "done");
    const errors = done.flatMap(({ mae }) => (mae === null ? [] : [mae]));
    const mean = errors.reduce((sum, one) => sum + one, 0) / errors.length;
    const scored = errors.length ? ` Mean absolute error ${number(mean, 4)}, worst first.` : "";
    write(this.summary, items.length ? `${done.length} of ${items.length} done.${scored}` : "No photos yet.");
    this.zip.disabled = this.csv.disabled = !done.length;
    this.clear.disabled = !items.length;
    const key = items.map(({ id, status, photo, share, mae, error }) => [id, status, photo, share, mae, error]);
    fill(this.grid, key, () => items.map((item) => card(this.store, item)));
  }

  /** An empty view shows what it does, on examples. */
  examples() {
    const photos = this.store.state.photos.filter(({ example }) => example).slice(0, EXAMPLES);
    const items = photos.map(({ name }) => ({ ...WAITING, id: newItemId(), photo: name }));
    this.store.dispatch({ type: "batch", items });
    this.work();
  }
}

let made = 0;

function newItemId() {
  made += 1;
  return made;
}

/** @param {File} file */
const stemOf = ({ name }) => name.replace(/\.[^.]*$/, "");

/**
 * Whether a file is a mask: by its name, or because another file with the same stem is the photo (a PNG beside a JPEG).
 * @param {File} file
 * @param {File[]} files
 */
function isMask(file, files) {
  const stem = stemOf(file);
  if (MASK_NAME.test(stem)) return true;
  const twin = files.some((other) => other !== file && stemOf(other) === stem && /\.jpe?g$/i.test(other.name));
  return twin && /\.png$/i.test(file.name);
}

/**
 * Give each mask to the photo of its name that has none yet.
 * @param {BatchItem[]} items
 * @param {File[]} masks
 */
function withMasks(items, masks) {
  let all = items;
  /** @type {File[]} */
  const unmatched = [];
  for (const mask of masks) {
    const stem = stemOf(mask).replace(MASK_NAME, "").replace(/[_-]$/, "");
    const found = all.findLast((item) => !item.mask && (item.file ? stemOf(item.file) : item.photo) === stem);
    if (found) all = all.map((item) => (item === found ? { ...item, mask, status: "waiting" } : item));
    else unmatched.push(mask);
  }
  return { all, unmatched };
}

/** @param {BatchItem[]} items worst first, then in order */
const sorted = (items) => [...items].sort((one, other) => (other.mae ?? -1) - (one.mae ?? -1));

/**
 * @param {Store} store
 * @param {BatchItem} item
 */
function card(store, { photo, file, status, share, mae, error }) {
  const shown = store.state.photos.find(({ name }) => name === photo);
  const words =
    error ??
    (status === "done"
      ? `object ${percent(share ?? 0)}${mae === null ? "" : `, MAE ${number(mae, 4)}`}`
      : status === "running"
        ? "computing …"
        : "waiting");
  const open = () => {
    store.dispatch({ type: "photo", photo });
    store.dispatch({ type: "view", view: "explore" });
  };
  const one = make(
    "button",
    { type: "button", class: `card ${status}`, click: open },
    make("strong", {}, photo ?? file?.name ?? ""),
    make("span", {}, words),
  );
  one.disabled = status !== "done";
  if (shown) one.prepend(make("img", { src: shown.thumbnail, alt: "" }));
  return one;
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  download(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
