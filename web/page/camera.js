// The camera, live: RLN's last prediction over every frame, as fast as the network is; or a photo taken of it.

import { colourised, palette } from "../../dgrl/explorer/script/draw.js";
import { photoOf } from "./photos.js";

/** @typedef {import("./photos.js").Photo} Photo */
/** @typedef {Awaited<ReturnType<typeof import("./engine.js").startEngine>>} Engine */

const OPACITY = 0.6;

/**
 * @param {Engine} engine
 * @param {{rln_size: number}} config
 * @param {string} colours of saliency
 * @param {() => number} steps T
 * @param {(photo: Photo) => void} taken
 */
export function makeCamera(engine, config, colours, steps, taken) {
  /** @type {<T extends HTMLElement>(id: string) => T} */
  const get = (id) => /** @type {any} */ (document.getElementById(id));
  const dialog = /** @type {HTMLDialogElement} */ (get("viewfinder"));
  const video = /** @type {HTMLVideoElement} */ (get("video"));
  const finder = /** @type {HTMLCanvasElement} */ (get("finder"));
  const rate = get("rate");
  const table = palette(colours);
  /** @type {MediaStream | null} */
  let stream = null;
  /** @type {Photo | null} */
  let last = null;

  async function open() {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    video.srcObject = stream;
    await video.play();
    dialog.showModal();
    while (stream) await frame();
  }

  async function frame() {
    const began = performance.now();
    const photo = await photoOf(video, "camera", video.videoWidth, video.videoHeight);
    engine.photo(photo.key, photo.image);
    const result = await engine.run({ slot: "camera", photo: photo.key, steps: steps(), until: "rln" });
    if (!result || !stream) {
      photo.bitmap.close();
      return;
    }
    last?.bitmap.close();
    last = photo;
    const { width, height } = photo.image;
    const side = config.rln_size;
    const values = /** @type {Float32Array} */ (result.arrays[`rln.t${steps()}.saliency`]);
    const map = { values, width: side, height: side, aligned: false, low: 0, high: 1, label: "" };
    Object.assign(finder, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (finder.getContext("2d"));
    context.drawImage(photo.bitmap, 0, 0);
    context.globalAlpha = OPACITY;
    context.drawImage(colourised({ ...map, colours: "saliency" }, table, { width, height }), 0, 0, width, height);
    rate.textContent = `${(1000 / (performance.now() - began)).toFixed(1)} frames/s`;
  }

  function close() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    if (dialog.open) dialog.close();
  }

  get("take").addEventListener("click", () => {
    close();
    if (last) taken(last);
    last = null;
  });
  get("leave").addEventListener("click", close);
  dialog.addEventListener("close", close);
  return { open };
}
