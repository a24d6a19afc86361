// The view "Survey": many photos, with or without masks, as a table of numbers. It goes on while another view is open.

import { button, make, picker, save, write } from "../dom.js";
import { number } from "../numbers/format.js";
import { makeZip } from "../numbers/zip.js";
import { messageOf } from "../state/loader.js";
import { mountSurvey } from "../survey/survey.js";
import { joined } from "../survey/table.js";
import { addPhoto, isPicture, PICTURES } from "./photo_picker.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("../state/scene.js").BatchItem} BatchItem
 * @typedef {import("../state/loader.js").Loader} Loader
 */

const EXAMPLES = 6;
const ERROR = "MAE_refined";
const HINT =
  "Drop photos here, with masks if there are any: a mask has its photo’s name, or the name with “_mask”. " +
  "Without one, the object that is found stands for the true one.";
const LACKING =
  "This page computes scores and the share of attention on the object. The app and “dgrl survey” also say why a " +
  "picture is bad, what each part does, and how two checkpoints differ.";
/** Words in a file's name that say that it is a mask: dgrl.data.names has the same. */
const MASK_NAME = /(_|-|\b)(mask|gt|label|groundtruth|ground_truth)s?$/i;

/** @type {Omit<BatchItem, "id">} */
const WAITING = { file: null, photo: null, mask: null, status: "waiting", table: null, error: null, example: false };

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
    this.failures = make("p", { class: "failed", role: "status", "data-testid": "batch-failures" });
    this.place = make("div", { "data-testid": "batch-grid" });
    /** @type {ReturnType<typeof mountSurvey> | null} */
    this.survey = null;
    /** @type {import("../survey/table.js").Table[]} those that the survey shows */
    this.drawn = [];
    /** @type {number[]} the items that they are of */
    this.drawnIds = [];
    this.zip = button("Maps and cut-outs (ZIP)", () => this.keep());
    this.clear = button("Clear", () => store.dispatch({ type: "batch", items: [] }));
    this.second = picker("Compare with", (value) => this.choose({ second: value || null }));
    this.parts = make("input", { type: "checkbox", change: () => this.choose({ parts: this.parts.checked }) });
    const partsLabel = "Measure each picture also with flat attention, memory cut and one kernel";
    const parts = make(
      "label",
      { class: "check", title: partsLabel },
      this.parts,
      "what each part does (takes longer)",
    );
    parts.hidden = !store.state.capabilities.survey;
    const input = make("input", { type: "file", accept: PICTURES, multiple: true, hidden: true });
    input.dataset.testid = "batch-files";
    const folder = make("input", { type: "file", webkitdirectory: true, hidden: true });
    for (const fileInput of [input, folder]) {
      fileInput.addEventListener("change", () => {
        this.add([...(fileInput.files ?? [])]);
        fileInput.value = "";
      });
    }
    const photos = button("Add photos …", () => input.click(), { class: "primary" });
    const folders = button("Add a folder …", () => folder.click());
    const settings = [parts, this.second.element];
    const buttons = make(
      "div",
      { class: "buttons" },
      ...settings,
      photos,
      folders,
      this.zip,
      this.clear,
      input,
      folder,
    );
    element.append(
      make("header", {}, make("h2", {}, "Survey"), buttons),
      make("p", { class: "quiet" }, store.state.capabilities.survey ? HINT : `${HINT} ${LACKING}`),
      this.summary,
      this.failures,
      this.place,
    );
    store.subscribe((state, before) => {
      const { scene, batch, surveyed } = state;
      const hasOpened = scene.view === "batch" && before.scene.view !== "batch";
      if (hasOpened && !batch.length) this.examples();
      const { checkpoint } = scene.slots[0];
      if (scene.view === "batch" && checkpoint !== surveyed.checkpoint)
        this.choose({ checkpoint, second: surveyed.second === checkpoint ? null : surveyed.second });
      if (hasOpened || batch !== before.batch || surveyed !== before.surveyed) this.draw(state);
      if (batch !== before.batch) this.work();
    });
    this.draw(store.state);
    if (store.state.scene.view === "batch") this.examples();
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
    const { batch } = this.store.state;
    const keptItems = items.length ? batch.filter(({ example }) => !example) : batch;
    const { all, unmatched } = withMasks([...keptItems, ...items], masks);
    this.store.dispatch({ type: "batch", items: all });
    const names = unmatched.map(({ name }) => name).join(", ");
    const text = [
      skipped ? `${skipped} files are not images and were skipped.` : "",
      unmatched.length ? `No photo matches ${unmatched.length === 1 ? "the mask" : "the masks"} ${names}.` : "",
    ].filter(Boolean);
    if (text.length) this.store.dispatch({ type: "notice", text: text.join(" "), kind: "error" });
  }

  /** Compute one item after the other, also while another view is open. */
  async work() {
    if (this.working) return;
    this.working = true;
    await null; // whatever is being dispatched comes first
    const next = () => this.store.state.batch.find(({ status }) => status === "waiting");
    for (let item = next(); item; item = next()) {
      this.update(item.id, { status: "running" });
      /** @type {Partial<BatchItem>} */
      let changes;
      try {
        changes = { ...(await this.computed(item)), status: "done" };
      } catch (error) {
        changes = { status: "failed", error: messageOf(error) };
      }
      // It waits again if a mask has come, or other numbers are asked for.
      if (this.itemOf(item.id)?.status === "running") this.update(item.id, changes);
    }
    this.working = false;
  }

  /** @param {number} id */
  itemOf(id) {
    return this.store.state.batch.find((item) => item.id === id);
  }

  /**
   * @param {number} id
   * @param {Partial<BatchItem>} changes
   */
  update(id, changes) {
    const items = this.store.state.batch.map((item) => (item.id === id ? { ...item, ...changes } : item));
    this.store.dispatch({ type: "batch", items });
  }

  /** @param {Partial<State["surveyed"]>} changes */
  choose(changes) {
    this.store.dispatch({ type: "surveyed", changes });
  }

  /** @param {string} photo */
  request(photo) {
    return { photo, checkpoint: this.store.state.surveyed.checkpoint, steps: null, edits: [] };
  }

  /** @param {BatchItem} item */
  async computed({ id, file, photo: photoName, mask }) {
    const photo = photoName ?? (file ? (await addPhoto(this.store, this.loader, file, file.name)).name : "");
    this.update(id, { photo });
    const { second, parts } = this.store.state.surveyed;
    return { table: await this.loader.engine.survey(this.request(photo), { second, mask, parts }) };
  }

  async keep() {
    const file = makeZip();
    const doneItems = this.store.state.batch.filter(({ status }) => status === "done");
    for (const [i, { photo }] of doneItems.entries()) {
      write(this.summary, `Packing ${i + 1} of ${doneItems.length} …`);
      for (const kind of /** @type {const} */ (["map", "cutout"])) {
        const blob = await this.loader.engine.file(this.request(photo ?? ""), kind);
        file.add(`${photo}${kind === "cutout" ? "_cutout" : ""}.png`, await blob.arrayBuffer());
      }
    }
    save(file.blob(), "dgrl.zip");
    this.draw(this.store.state);
  }

  /** @param {State} state */
  draw({ batch, checkpoints, scene, surveyed, capabilities }) {
    const tables = batch.flatMap(({ table }) => table ?? []);
    const errors = tables.flatMap(
      ({ columns, rows }) => rows[0]?.values[columns.findIndex(({ key }) => key === ERROR)] ?? [],
    );
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const of = surveyed.second ? ` with ${surveyed.checkpoint}` : "";
    const scored = errors.length ? ` Mean absolute error ${number(mean, 4)}${of}.` : "";
    // Other numbers are asked for: the old ones stay until there are new ones, so that the view does not look broken.
    const isOld = !tables.length && this.drawnIds.length > 0 && this.drawnIds.every((id) => this.itemOf(id));
    const old = isOld ? " Until the first is done, the table shows the numbers from before." : "";
    write(this.summary, batch.length ? `${tables.length} of ${batch.length} done.${scored}${old}` : "No photos yet.");
    const failed = batch.filter(({ error }) => error);
    write(this.failures, failed.map(({ photo, file, error }) => `${photo ?? file?.name}: ${error}`).join("\n"));
    this.failures.hidden = !failed.length;
    this.zip.disabled = !tables.length;
    this.clear.disabled = !batch.length;
    const otherCheckpoints = checkpoints.filter(({ name }) => name !== surveyed.checkpoint);
    this.second.element.hidden = !otherCheckpoints.length || !capabilities.survey;
    const choices = otherCheckpoints.map(({ name }) => ({ value: name, text: name }));
    this.second.set([{ value: "", text: "no other checkpoint" }, ...choices], surveyed.second ?? "");
    this.parts.checked = surveyed.parts;
    this.place.hidden = !(tables.length || isOld) || scene.view !== "batch";
    if (this.place.hidden || isOld || (this.survey && same(tables, this.drawn))) return;
    this.drawn = tables;
    this.drawnIds = batch.filter(({ table }) => table).map(({ id }) => id);
    if (this.survey) this.survey.update(joined(tables));
    else this.survey = mountSurvey(this.place, joined(tables), { onOpen: (name) => this.open(name) });
  }

  /** @param {string} photo */
  open(photo) {
    this.store.dispatch({ type: "photo", photo });
    this.store.dispatch({ type: "view", view: "explore" });
  }

  /** An empty view shows what it does, on examples. */
  examples() {
    const photos = this.store.state.photos.filter(({ example }) => example).slice(0, EXAMPLES);
    const items = photos.map(({ name }) => ({ ...WAITING, id: newItemId(), photo: name, example: true }));
    this.store.dispatch({ type: "batch", items });
  }
}

/**
 * Whether two lists hold the same objects.
 * @param {unknown[]} a
 * @param {unknown[]} b
 */
const same = (a, b) => a.length === b.length && a.every((item, index) => item === b[index]);

let lastItemId = 0;

function newItemId() {
  lastItemId += 1;
  return lastItemId;
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
  const hasJpegTwin = files.some(
    (otherFile) => otherFile !== file && stemOf(otherFile) === stem && /\.jpe?g$/i.test(otherFile.name),
  );
  return hasJpegTwin && /\.png$/i.test(file.name);
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
    const matching = all.findLast((item) => !item.mask && (item.file ? stemOf(item.file) : item.photo) === stem);
    if (matching) all = all.map((item) => (item === matching ? { ...item, mask, status: "waiting" } : item));
    else unmatched.push(mask);
  }
  return { all, unmatched };
}
