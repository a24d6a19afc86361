// The saliency map or the cut-out as a PNG in the photo's size.

import { foreground } from "../numbers/foreground.js";
import { crc32 } from "../numbers/zip.js";

/** Marks files of DGRL, so that they are not used as photos. dgrl.images.marking writes and reads the same mark. */
const KEYWORD = "Software";
const VALUE = "DGRL saliency";

/**
 * @param {import("./pixels.js").Photo} photo
 * @param {Float32Array} saliency (height, width) of the photo's size
 * @param {"map" | "cutout"} kind
 * @returns {Promise<Blob>}
 */
export async function cutOut(photo, saliency, kind) {
  const { width, height } = photo.image;
  const greys = Uint8ClampedArray.from(saliency, (value) => Math.fround(255 * value));
  const image = kind === "map" ? greyPicture(greys, width, height) : cutPicture(photo, greys);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return addMark(await canvas.convertToBlob({ type: "image/png" }));
}

/**
 * @param {Uint8ClampedArray} greys
 * @param {number} width
 * @param {number} height
 */
function greyPicture(greys, width, height) {
  const image = new ImageData(width, height);
  greys.forEach((grey, i) => {
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  return image;
}

/**
 * Return the object on transparency (dgrl.images.cut_out). A transparent photo keeps its colours and transparency.
 * @param {import("./pixels.js").Photo} photo
 * @param {Uint8ClampedArray} greys
 */
function cutPicture({ image, transparent }, greys) {
  const { width, height } = image;
  const source = (transparent ?? image).data;
  const opaqueColours = new Uint8ClampedArray(3 * greys.length);
  for (let i = 0; i < greys.length; i++) opaqueColours.set(source.subarray(4 * i, 4 * i + 3), 3 * i);
  const colours = transparent ? opaqueColours : foreground(opaqueColours, greys, width, height);
  const result = new ImageData(width, height);
  for (let i = 0; i < greys.length; i++) {
    result.data.set(colours.subarray(3 * i, 3 * i + 3), 4 * i);
    result.data[4 * i + 3] = Math.min(greys[i], source[4 * i + 3]);
  }
  return result;
}

/**
 * Return the PNG with a text chunk after its header.
 * @param {Blob} blob
 */
async function addMark(blob) {
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
