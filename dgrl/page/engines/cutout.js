// The saliency map or the cut-out as a PNG in the photo's size.

import { crc32 } from "../numbers/zip.js";

/** Marks our files, so that they are never taken for photos: dgrl.images.marking writes and reads the same. */
const KEYWORD = "Software";
const VALUE = "DGRL saliency";

/**
 * @param {ImageData} photo
 * @param {Float32Array} saliency (height, width) of the photo's size
 * @param {"map" | "cutout"} kind
 * @returns {Promise<Blob>}
 */
export async function cutOut(photo, saliency, kind) {
  const { width, height } = photo;
  const image = new ImageData(width, height);
  saliency.forEach((value, i) => {
    const grey = Math.round(255 * value);
    const [red, green, blue] = kind === "map" ? [grey, grey, grey] : photo.data.subarray(4 * i, 4 * i + 3);
    image.data.set([red ?? 0, green ?? 0, blue ?? 0, kind === "map" ? 255 : grey], 4 * i);
  });
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return marked(await canvas.convertToBlob({ type: "image/png" }));
}

/**
 * The PNG with a text chunk behind its header.
 * @param {Blob} blob
 */
async function marked(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const text = new TextEncoder().encode(`tEXt${KEYWORD}\0${VALUE}`);
  const chunk = new Uint8Array(text.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, text.length - 4);
  chunk.set(text, 4);
  view.setUint32(text.length + 4, crc32(text));
  const start = 33; // signature and header
  return new Blob([bytes.subarray(0, start), chunk, bytes.subarray(start)], { type: "image/png" });
}
