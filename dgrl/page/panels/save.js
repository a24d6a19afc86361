// The Save menu: the cut-out, the map, everything as a ZIP file.

import { button, closeOutside, download, make, save, write } from "../dom.js";
import { sentRequest } from "../state/loader.js";
import { shownSide } from "../state/scene.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/loader.js").Loader} Loader
 */

/**
 * @param {Store} store
 * @param {Loader} loader
 */
export function mountSave(store, loader) {
  const summary = make("summary", { class: "button", "data-testid": "save" }, "Save");
  const cutout = button("Cut-out (PNG, transparent)", () => saveFile("cutout"), { "data-testid": "save-cutout" });
  const map = button("Saliency map (PNG)", () => saveFile("map"), { "data-testid": "save-map" });
  const zip = button("Everything (ZIP)", () => saveReport(), {
    "data-testid": "save-report",
    title: "Every number and picture, and this page as one file",
  });
  const picture = button("This picture (PNG)", () => savePicture(), { title: "What the stage shows now" });
  const matting = make("input", { type: "checkbox", "data-testid": "save-matting" });
  const fine = make(
    "label",
    {
      class: "check",
      title: "Solves for edges as fine as the photo’s own, such as hair and thin lines. Takes some seconds.",
    },
    matting,
    " Fine edges",
  );
  const status = make("p", { class: "quiet", role: "status" });
  const element = make(
    "details",
    { class: "save" },
    summary,
    make("div", { class: "menu" }, cutout, map, fine, picture, zip, status),
  );
  closeOutside(element);
  store.subscribe(({ capabilities, loading }) => {
    zip.hidden = !capabilities.report;
    fine.hidden = !capabilities.matting;
    cutout.disabled = map.disabled = !!loading;
  });

  const request = () => {
    const { state } = store;
    return sentRequest(state, state.scene.slots[shownSide(state.scene)] ?? state.scene.slots[0]);
  };

  /**
   * @param {string} progressText
   * @param {() => Promise<void>} action
   */
  async function runAction(progressText, action) {
    write(status, progressText);
    try {
      await action();
      write(status, "Saved.");
    } catch (error) {
      write(status, error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {"map" | "cutout"} kind */
  function saveFile(kind) {
    const shownRequest = request();
    const fineEdges = !fine.hidden && matting.checked;
    runAction(fineEdges ? "Solving for the edges …" : "Making the file …", async () => {
      const blob = await loader.engine.file(shownRequest, kind, { matting: fineEdges });
      save(blob, `${shownRequest.photo}${kind === "cutout" ? "_cutout" : ""}.png`);
    });
  }

  function saveReport() {
    runAction("Packing …", async () => {
      const { url, name } = await loader.engine.report(request());
      download(url, name);
    });
  }

  function savePicture() {
    const canvas = document.querySelector(".stage .frame:not([hidden]) canvas.picture");
    if (canvas instanceof HTMLCanvasElement)
      download(canvas.toDataURL("image/png"), `${request().photo}_${store.state.scene.map}.png`);
  }

  return { element };
}
