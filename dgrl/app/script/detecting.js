// Detect: the photo with what was found, the saliency map and the cut-out, to look at and to keep.

import { make, write } from "../../explorer/script/dom.js";
import { fileData } from "./requests.js";

/** @typedef {import("./links.js").Scene} Scene */
/** @typedef {import("./requests.js").Server} Server */

/**
 * @param {Server} server
 * @param {{scene: () => Scene, choose: (index: number) => void, fail: (error: unknown) => void}} host
 */
export function makeDetecting(server, host) {
  const words = make("p", { class: "said", role: "status" });
  const before = make("img", { alt: "The photo" });
  const after = make("img", { class: "checked over", alt: "The object cut out" });
  const wipe = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Photo or cut-out" });
  wipe.addEventListener("input", draw);
  const map = make("img", { alt: "The saliency map: white is salient" });
  const mapLink = make("a", { class: "button" }, "Saliency map (PNG)");
  const cutLink = make("a", { class: "button" }, "Cut-out (PNG)");
  const photo = make("button", { type: "button", class: "primary", click: () => host.choose(0) }, "Another photo …");
  const hung = (/** @type {HTMLElement[]} */ ...shown) =>
    make("div", { class: "hung" }, make("div", { class: "framed" }, ...shown));
  const [photoRoom, mapRoom] = [hung(before, after, wipe), hung(map)];
  for (const picture of [before, map]) {
    picture.addEventListener("load", () => {
      const ratio = picture.naturalWidth / picture.naturalHeight;
      for (const room of [photoRoom, mapRoom]) room.style.setProperty("--ratio", String(ratio));
    });
  }
  const element = make(
    "section",
    { class: "page detecting", "aria-label": "Detect" },
    make("div", { class: "row" }, photo, mapLink, cutLink, words),
    make(
      "div",
      { class: "pictures" },
      make("figure", {}, photoRoom, make("figcaption", {}, "photo and object: move the handle")),
      make("figure", {}, mapRoom, make("figcaption", {}, "saliency map: white is salient")),
    ),
  );
  let shown = "";

  function draw() {
    after.style.clipPath = `inset(0 0 0 ${wipe.value}%)`;
  }

  async function show() {
    const { first } = host.scene();
    const key = JSON.stringify([first.photo.path, first.checkpoint, first.steps]);
    if (key === shown) return;
    shown = key;
    before.src = first.photo.example ? server.address(first.photo.path) : first.photo.thumbnail;
    for (const picture of [after, map]) picture.removeAttribute("src");
    for (const link of [mapLink, cutLink]) link.removeAttribute("href");
    write(words, "Looking …");
    try {
      const asked = [fileData(first.photo.path), first.checkpoint, first.steps ?? -1];
      const [saliency, , found] = await server.call("detect", [...asked, false]);
      if (shown !== key) return;
      offer(mapLink, saliency, map);
      if (!first.photo.example) before.src = server.address(first.photo.path);
      write(words, `${found.words} One pass took ${found.seconds.toFixed(2)} s (${found.machine}).`);
      const [, cut] = await server.call("detect", [...asked, true]);
      if (shown === key) offer(cutLink, cut, after);
    } catch (error) {
      if (shown === key) {
        shown = "";
        write(words, "");
        host.fail(error);
      }
    }
  }

  /**
   * @param {HTMLAnchorElement} link
   * @param {{path: string}} file
   * @param {HTMLImageElement} picture
   */
  function offer(link, { path }, picture) {
    picture.src = link.href = server.address(path);
    link.download = path.split("/").at(-1) ?? "";
  }

  draw();
  return { element, show };
}
