// Measure: every map of the pass against the photo's mask.

import { make, write } from "../../explorer/script/dom.js";
import { number } from "../../explorer/script/numbers.js";
import { PICTURES } from "./pictures.js";
import { fileData } from "./requests.js";

/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./requests.js").Server} Server */

const ASK = "Give the photo’s mask, white on the object, and the scores appear here.";

/**
 * @param {Server} server
 * @param {{scene: () => Scene, fail: (error: unknown) => void}} host
 */
export function makeMeasuring(server, host) {
  const input = make("input", { type: "file", accept: PICTURES, hidden: true, id: "mask-file" });
  const choose = make("button", { type: "button", class: "primary", click: () => input.click() }, "Choose the mask …");
  const stretch = make("input", { type: "checkbox", checked: true });
  const scale = make("label", { class: "check" }, stretch, "stretch each map to [0, 1] first, as published");
  const words = make("p", { class: "said", role: "status" }, ASK);
  const table = make("div", { class: "scores" });
  const curve = make("img", { class: "curve", alt: "" });
  const links = make("div", { class: "row" });
  const element = make(
    "section",
    { class: "page measuring", "aria-label": "Measure" },
    make("div", { class: "row" }, choose, input, scale, words),
    make("div", { class: "pictures" }, make("div", { class: "column" }, table, links), curve),
  );
  /** @type {Map<string, string>} masks on the server, by their photos */
  const masks = new Map();
  let shown = "";
  stretch.addEventListener("change", () => show());
  input.addEventListener("change", async () => {
    const [file] = input.files ?? [];
    if (!file) return;
    try {
      masks.set(host.scene().first.photo.path, await server.upload(file, file.name));
      shown = "";
      show();
    } catch (error) {
      host.fail(error);
    }
    input.value = "";
  });

  async function show() {
    const { first } = host.scene();
    const mask = masks.get(first.photo.path) ?? first.photo.mask;
    const key = JSON.stringify([first.photo.path, first.checkpoint, first.steps, mask, stretch.checked]);
    if (key === shown) return;
    shown = key;
    clear();
    write(words, mask ? "Measuring …" : ASK);
    if (!mask) return;
    const asked = [fileData(first.photo.path), fileData(mask), first.checkpoint, first.steps ?? -1, stretch.checked];
    try {
      const [found, ...files] = await server.call("measure", asked);
      if (shown !== key) return;
      write(words, found.stretched ? "Each map stretched to [0, 1] first." : "Maps as computed, not stretched.");
      fill(found.scores, files);
    } catch (error) {
      if (shown === key) write(words, /** @type {Error} */ (error).message);
    }
  }

  function clear() {
    curve.hidden = true;
    table.replaceChildren();
    links.replaceChildren();
    URL.revokeObjectURL(curve.src);
    curve.removeAttribute("src");
  }

  /**
   * @param {Record<string, Record<string, number>>} scores
   * @param {{path: string}[]} files
   */
  function fill(scores, files) {
    const kinds = Object.keys(scores);
    const head = ["", ...kinds.map((kind) => (kind === "refined" ? "after BRN" : kind))];
    const metrics = Object.keys(Object.values(scores)[0] ?? {});
    const rows = metrics.map((metric) => {
      const cells = kinds.map((kind) => make("td", {}, number(scores[kind]?.[metric] ?? 0, 4)));
      return make("tr", {}, make("th", { scope: "row" }, metric), ...cells);
    });
    const heads = head.map((text) => (text ? make("th", { scope: "col" }, text) : make("td", {})));
    table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
    table.append(make("p", { class: "prose" }, "MAE is an error: less is better. Of all other scores more is."));
    const names = ["Scores (CSV)", "Curves (CSV)", "Figure (SVG)"];
    links.replaceChildren(
      ...files.map(({ path }, i) => {
        const download = path.split("/").at(-1) ?? "";
        return make("a", { class: "button", href: server.address(path), download }, names[i] ?? "");
      }),
    );
    const best = kinds.map((kind) => `${kind} ${number(scores[kind]?.maxF ?? 0, 3)}`).join(", ");
    curve.alt = `Precision over recall, a curve for each map. The largest F-measure on each: ${best}.`;
    plot(files[2]?.path ?? "");
  }

  /**
   * Gradio gives SVG to be kept, not to be shown: the type is put to it here.
   * @param {string} path
   */
  async function plot(path) {
    const own = shown;
    try {
      const drawn = await server.bytes(path);
      if (shown !== own) return;
      curve.src = URL.createObjectURL(new Blob([drawn], { type: "image/svg+xml" }));
      curve.hidden = false;
    } catch (error) {
      host.fail(error);
    }
  }

  return { element, show };
}
