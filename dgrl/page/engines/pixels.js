// Reads any image that the browser supports as pixels: in its own size, upright and opaque.

/**
 * @typedef {Object} Photo
 * @property {string} key
 * @property {string} name
 * @property {ImageData} image in its own size, opaque
 * @property {ImageBitmap} bitmap the same image, for drawing
 * @property {ImageData | null} transparent the photo with its transparency; null if it is opaque
 */

const MOST_PIXELS = 50e6;
/** White, black, grey: the first one on which a transparent picture is visible (dgrl.images.transparency). */
const BACKGROUNDS = [255, 0, 128];
const STANDS_OUT = 64;
const NEARLY = 0.9;
const SAMPLE = 300;
let photoCount = 0;

/**
 * Read a picture, upright, in sRGB.
 * @param {Blob} blob
 * @param {string} name
 * @returns {Promise<Photo>}
 * @throws {Error} it cannot be used; the message says why
 */
export async function readPhoto(blob, name) {
  /** @type {ImageBitmap} */
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${name}: this browser cannot read it as a picture`);
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Error(`${name}: ${width}×${height} pixels are more than this page takes (${MOST_PIXELS / 1e6} million)`);
  }
  return photoOf(bitmap, name);
}

/**
 * @param {ImageBitmap} source
 * @param {string} name
 * @returns {Promise<Photo>}
 */
async function photoOf(source, name) {
  const { width, height } = source;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" })
  );
  context.drawImage(source, 0, 0);
  const image = context.getImageData(0, 0, width, height);
  const transparent = isOpaque(image) ? null : context.getImageData(0, 0, width, height);
  if (transparent) layOnGround(image);
  photoCount += 1;
  return { key: `${name} ${photoCount}`, name, image, bitmap: await createImageBitmap(image), transparent };
}

/** @param {ImageData} image */
function isOpaque({ data }) {
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return false;
  return true;
}

/**
 * Lay a transparent picture on the background on which it is most visible.
 * @param {ImageData} image is changed
 */
function layOnGround({ data, width, height }) {
  const [down, right] = [height, width].map((side) => Math.max(Math.floor(side / SAMPLE), 1));
  const visibleShares = BACKGROUNDS.map((ground) => {
    let amount = 0;
    for (let y = 0; y < height; y += down) {
      for (let x = 0; x < width; x += right) {
        const i = 4 * (y * width + x);
        const distance = Math.max(...[0, 1, 2].map((c) => Math.abs(data[i + c] - ground)));
        if (distance >= STANDS_OUT) amount += data[i + 3];
      }
    }
    return amount;
  });
  const ground = BACKGROUNDS[visibleShares.findIndex((amount) => amount >= NEARLY * Math.max(...visibleShares))] ?? 255;
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3] / 255;
    for (let c = 0; c < 3; c++) data[i + c] = Math.round(data[i + c] * alpha + ground * (1 - alpha));
    data[i + 3] = 255;
  }
}
