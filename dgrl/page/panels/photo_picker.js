// Sources of photos: examples, files, the camera, drag and drop, the clipboard.

import { button, fill, make, write } from "../dom.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/loader.js").Loader} Loader
 */

/** Photos, as file inputs name them; the server can read HEIC. */
export const PICTURES = "image/*,.heic,.heif,.avif,.tif,.tiff,.jfif,.jp2";
const NO_CAMERA = "No camera access. It needs permission and HTTPS.";

/** @param {File} file */
export const isPicture = ({ type, name }) =>
  type.startsWith("image/") || /\.(heic|heif|avif|tiff?|jfif|jpe|jp2)$/i.test(name);

/**
 * @param {Store} store
 * @param {Loader} loader
 */
export function mountPhotoPicker(store, loader) {
  const grid = make("div", { class: "choices" });
  const input = make("input", { type: "file", accept: PICTURES, hidden: true, "data-testid": "upload" });
  const capture = make("input", { type: "file", accept: "image/*", capture: "environment", hidden: true });
  const status = make("p", { role: "status" });
  const camera = makeCamera(
    (blob) => addPicture(blob, "camera.jpg"),
    (text) => write(status, text),
  );
  const file = button("Choose a file …", () => input.click(), { class: "primary" });
  const openCamera = button("Camera", () => camera.open(), { "data-testid": "camera" });
  const dialog = make(
    "dialog",
    { class: "sheet", "aria-label": "Choose a photo" },
    make(
      "header",
      {},
      make("h2", {}, "Choose a photo"),
      button("Close", () => dialog.close()),
    ),
    make(
      "div",
      { class: "row" },
      file,
      openCamera,
      input,
      capture,
      make("span", { class: "quiet" }, "or drop one anywhere, or paste it"),
    ),
    camera.element,
    status,
    grid,
  );
  /** @type {0 | 1} */
  let slot = 0;
  for (const fileInput of [input, capture]) {
    fileInput.addEventListener("change", () => {
      const [first] = fileInput.files ?? [];
      if (first) addPicture(first, first.name);
      fileInput.value = "";
    });
  }
  dialog.addEventListener("close", () => camera.stop());

  /** @param {0 | 1} index slot of the photo */
  function open(index = 0) {
    slot = index;
    const { photos, capabilities } = store.state;
    write(status, capabilities.upload ? "Your photo is deleted from the server when you leave." : "");
    if (loader.engine.kind === "browser") write(status, "Your photo does not leave this browser.");
    fill(
      grid,
      photos.map(({ name }) => name),
      () => photos.map((photo) => card(photo)),
    );
    dialog.showModal();
  }

  /** @param {import("../engines/engine.js").Photo} photo */
  function card(photo) {
    const picture = make("img", { src: photo.thumbnail, alt: "", loading: "lazy" });
    const photoButton = make(
      "button",
      { type: "button", class: "card", "data-testid": `photo-${photo.name}` },
      picture,
      photo.name,
    );
    photoButton.addEventListener("click", () => {
      dialog.close();
      store.dispatch({ type: "photo", photo: photo.name, slot });
    });
    return photoButton;
  }

  /**
   * Add a picture to the photos and show it.
   * @param {Blob} blob
   * @param {string} name
   */
  async function addPicture(blob, name) {
    write(status, `Sending ${name} …`);
    try {
      const photo = await addPhoto(store, loader, blob, name);
      dialog.close();
      store.dispatch({ type: "photo", photo: photo.name, slot });
      slot = 0;
    } catch (error) {
      dialog.close();
      store.dispatch({ type: "notice", text: error instanceof Error ? error.message : String(error), kind: "error" });
    }
  }

  return { element: dialog, open, give: addPicture, capture };
}

/**
 * @param {Store} store
 * @param {Loader} loader
 * @param {Blob} blob
 * @param {string} name
 */
export async function addPhoto(store, loader, blob, name) {
  const photo = await loader.engine.photos.add(blob, freeName(store, name));
  store.dispatch({ type: "photo-added", photo });
  return photo;
}

/**
 * Return a name that no other photo on the page has.
 * @param {Store} store
 * @param {string} name of the file
 */
function freeName({ state }, name) {
  const stem = name.replace(/\.[^.]*$/, "") || "photo";
  const usedNames = new Set(state.photos.map((photo) => photo.name));
  let free = stem;
  for (let i = 2; usedNames.has(free); i++) free = `${stem} ${i}`;
  return free;
}

/**
 * @param {(blob: Blob) => void} onPicture
 * @param {(text: string) => void} say
 */
function makeCamera(onPicture, say) {
  const video = make("video", { autoplay: true, playsinline: true, muted: true, "aria-label": "What the camera sees" });
  const take = button("Take this picture", () => snap(), { class: "primary" });
  const element = make("div", { class: "camera", hidden: true }, video, take);
  /** @type {MediaStream | null} */
  let stream = null;

  async function open() {
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: "environment" },
      });
      video.srcObject = stream;
      element.hidden = false;
      take.focus();
    } catch {
      say(NO_CAMERA);
    }
  }

  function snap() {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && onPicture(blob), "image/jpeg", 0.92);
    stop();
  }

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    element.hidden = true;
  }
  return { element, open, stop };
}

/**
 * Listen for files that are dropped or pasted, and pass them on with the element on which they were dropped.
 * @param {HTMLElement} root
 * @param {(files: File[], target: Element | null) => void} onFiles
 */
export function listenForFiles(root, onFiles) {
  for (const name of ["dragover", "drop"]) root.addEventListener(name, (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) onFiles(files, /** @type {Element} */ (event.target));
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(isPicture);
    if (files.length && root.isConnected) onFiles(files, null);
  });
}
