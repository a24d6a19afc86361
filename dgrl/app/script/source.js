// Where a photo comes from: examples, a file, what is dropped or pasted, the camera.

import { make, write } from "../../explorer/script/dom.js";
import { isPicture, PICTURES } from "./pictures.js";

/** @typedef {import("./links.js").Photo} Photo */
/** @typedef {import("./requests.js").Server} Server */

const LONGEST_THUMBNAIL = 200;

/**
 * @param {Server} server
 * @param {Photo[]} photos examples first, then the visitor's own; own ones are added
 * @param {(photo: Photo) => void} chosen
 * @param {(error: unknown) => void} failed
 */
export function makeSource(server, photos, chosen, failed) {
  const grid = make("div", { class: "choices" });
  const input = make("input", { type: "file", accept: PICTURES, id: "photo-file", hidden: true });
  const say = make("p", { class: "prose", role: "status" });
  const video = make("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "What the camera sees" });
  const camera = make("div", { class: "camera", hidden: true }, video);
  const take = make("button", { type: "button", click: () => snap() }, "Take this picture");
  camera.append(take);
  /** @type {MediaStream | null} */
  let stream = null;
  const file = make("button", { type: "button", class: "primary", click: () => input.click() }, "Choose a file …");
  const webcam = make("button", { type: "button", click: () => film() }, "Camera");
  const close = make("button", { type: "button", click: () => dialog.close() }, "Close");
  const dialog = make(
    "dialog",
    { class: "source-sheet", "aria-label": "Choose a photo" },
    make("header", {}, make("h2", {}, "Choose a photo"), close),
    grid,
    make("div", { class: "row" }, file, input, webcam),
    make("p", { class: "prose" }, "Or drop one anywhere, or paste it. It is deleted when you leave."),
    camera,
    say,
  );
  let slot = 0;
  input.addEventListener("change", () => input.files?.[0] && give(input.files[0], input.files[0].name));
  dialog.addEventListener("close", stop);
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    const dropped = [...(event.dataTransfer?.files ?? [])][0];
    if (dropped) give(dropped, dropped.name);
  });
  document.addEventListener("paste", (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])].find(isPicture);
    if (pasted) give(pasted, pasted.name || "pasted.png");
  });

  /** @param {number} index for which slot */
  function open(index = 0) {
    slot = index;
    write(say, "");
    grid.replaceChildren(
      ...photos.map((photo) => {
        const picture = make("img", { src: photo.thumbnail, alt: "" });
        return make("button", { type: "button", class: "card", click: () => done(photo) }, picture, photo.name);
      }),
    );
    dialog.showModal();
  }

  /** @param {Photo} photo */
  function done(photo) {
    dialog.close();
    chosen(photo);
  }

  /**
   * Send a picture to the server.
   * @param {Blob} content
   * @param {string} name
   */
  async function give(content, name) {
    write(say, `Sending ${name} …`);
    try {
      done(await own(content, name));
    } catch (error) {
      dialog.close();
      failed(error);
    }
    input.value = "";
  }

  /**
   * A picture of the visitor's as one of the photos.
   * @param {Blob} content
   * @param {string} name
   * @returns {Promise<Photo>}
   */
  async function own(content, name) {
    const [path, thumbnail] = await Promise.all([server.upload(content, name), small(content)]);
    const stem = name.replace(/\.[^.]*$/, "") || "photo";
    const taken = photos.filter((photo) => photo.name === stem || photo.name.startsWith(`${stem} `)).length;
    const photo = { name: taken ? `${stem} ${taken + 1}` : stem, path, example: false, mask: null, thumbnail };
    photos.push(photo);
    return photo;
  }

  async function film() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
      video.srcObject = stream;
      camera.hidden = false;
      take.focus();
    } catch {
      write(say, "This browser gives no camera.");
    }
  }

  function snap() {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && give(blob, "camera.jpg"), "image/jpeg", 0.92);
    stop();
  }

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    camera.hidden = true;
  }

  return { element: dialog, open, own, slot: () => slot };
}

/**
 * A small copy of a picture as an address; of what this browser cannot read, none.
 * @param {Blob} content
 */
async function small(content) {
  try {
    const picture = await createImageBitmap(content);
    const factor = Math.min(1, LONGEST_THUMBNAIL / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * factor)));
    const canvas = make("canvas", { width: width ?? 1, height: height ?? 1 });
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  }
}
