// The stage: one large picture, or several: side by side, under a wipe, alternating, or as their difference.

import { make, write } from "../dom.js";
import { fitted } from "../numbers/places.js";
import { makeFrame, sizeOf } from "./frame.js";
import { listenToKeys } from "./keys.js";
import { makeLegend } from "./legend.js";
import { listenToPointer, listenToWipe } from "./pointer.js";
import { shownDifference, shownFrames, stageTitle } from "./shown.js";

/**
 * @typedef {import("../state/store.js").Store} Store
 * @typedef {import("../state/scene.js").State} State
 * @typedef {import("./shown.js").Shown} Shown
 * @typedef {{width: number, height: number}} Size
 */

const GAP = 12;
const CAPTION = 26;
/** Milliseconds that each of two alternating pictures is shown. */
const TURN = 1100;
const HELP =
  "Picture. Arrow keys move the marker, with Shift by ten. Enter pins or frees it. Comma and full stop change the look. " +
  "Digits choose the map. Plus and minus change how strongly the map covers the photo.";

/**
 * @param {HTMLElement} element
 * @param {Store} store
 * @returns {() => void} removes it
 */
export function mountStage(element, store) {
  const stage = new Stage(element, store);
  return () => stage.stop();
}

class Stage {
  /**
   * @param {HTMLElement} element
   * @param {Store} store
   */
  constructor(element, store) {
    this.element = element;
    this.store = store;
    this.heading = make("h2", {});
    const attributes = { class: "room", tabindex: 0, role: "application", "aria-label": HELP, "data-testid": "stage" };
    this.room = make("div", attributes);
    const label = "Where the second picture begins";
    this.handle = make("div", { class: "handle", role: "slider", tabindex: 0, "aria-label": label });
    this.legend = makeLegend(store);
    this.live = make("p", { class: "unseen", role: "status" });
    element.append(this.heading, this.room, this.legend.element, this.live);
    /** @type {ReturnType<typeof makeFrame>[]} */
    this.frames = [];
    this.scheduled = 0;
    this.whole = false;
    /** The gesture of the pointer. @type {import("./overlay.js").Gesture} */
    this.gesture = { box: null, mask: null };
    this.turn = 0;
    this.saying = 0;
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.turning = window.setInterval(() => this.takeTurns(), TURN);
    this.resizing = new ResizeObserver(() => this.schedule(true));
    this.resizing.observe(this.room);
    this.listen();
    this.schedule(true);
  }

  listen() {
    listenToPointer(this.room, this.store, {
      frames: () => this.frames,
      setGesture: (gesture) => {
        this.gesture = gesture;
        this.schedule(false);
      },
    });
    listenToWipe(this.handle, this.store);
    listenToKeys(this.room, this.store);
    this.room.addEventListener("sized", () => this.schedule(true));
    this.unsubscribe = this.store.subscribe((state, before) => {
      if (pictureChanged(state, before)) this.schedule(true);
      else if (state.scene !== before.scene) this.schedule(false);
    });
  }

  /**
   * Draw once in the next animation frame.
   * @param {boolean} all draw the pictures too, not only what depends on the marker
   */
  schedule(all) {
    this.whole ||= all;
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      if (this.whole) this.drawAll();
      else for (const frame of this.frames) frame.place(this.store.state, this.gesture);
      this.whole = false;
      this.legend.place();
    });
  }

  drawAll() {
    const { state } = this.store;
    const shown = shownFrames(state);
    const difference = shownDifference(state, shown);
    const arrangement = shown.length === 2 ? state.scene.arrangement : "beside";
    const overlaid = arrangement === "wipe" || arrangement === "alternate" || difference !== null;
    this.element.dataset.arrangement = arrangement;
    const visible = difference ? shown.slice(0, 1) : shown;
    const photos = visible.map((frame) => zoomedSize(state, sizeOf(state, frame)));
    const sizes = layout(photos, overlaid, this.room);
    while (this.frames.length < visible.length) {
      const frame = makeFrame();
      this.frames.push(frame);
      this.room.append(frame.element);
    }
    this.frames.forEach((frame, index) => {
      const visibleFrame = visible[index];
      frame.element.hidden = !visibleFrame;
      if (!visibleFrame) return;
      frame.draw(state, visibleFrame, sizes[index] ?? { width: 1, height: 1 }, difference);
      frame.place(state, this.gesture);
    });
    this.arrange(arrangement);
    const title = stageTitle(state, shown, difference);
    write(this.heading, title);
    this.legend.draw(difference ?? shown.find(({ layer }) => layer)?.layer ?? null);
    window.clearTimeout(this.saying);
    this.saying = window.setTimeout(() => write(this.live, title), 400);
  }

  /** @param {string} arrangement */
  arrange(arrangement) {
    const [first, second] = this.frames;
    this.handle.hidden = arrangement !== "wipe";
    if (!first || !second) return;
    first.picture.append(this.handle);
    const share = 100 * this.store.state.scene.wipe;
    second.element.style.clipPath = arrangement === "wipe" ? `inset(0 -100vw -100vh ${share}%)` : "";
    second.element.style.visibility = arrangement === "alternate" && this.turn % 2 === 0 ? "hidden" : "";
    this.handle.style.left = `${share}%`;
    this.handle.setAttribute("aria-valuenow", String(Math.round(share)));
  }

  /** Alternate between two pictures at one place. With reduced motion, only the second one is shown. */
  takeTurns() {
    if (this.element.dataset.arrangement !== "alternate") return;
    this.turn = this.still.matches ? 1 : this.turn + 1;
    this.arrange("alternate");
  }

  stop() {
    this.unsubscribe?.();
    this.resizing.disconnect();
    window.clearInterval(this.turning);
    window.clearTimeout(this.saying);
    cancelAnimationFrame(this.scheduled);
  }
}

/**
 * Say whether a picture has to be drawn again; moving only the marker needs less.
 * @param {State} state
 * @param {State} before
 */
function pictureChanged(state, before) {
  if (state.passes !== before.passes || state.photos !== before.photos || state.answers !== before.answers) return true;
  const { x: _x, y: _y, pinned: _pinned, ...scene } = state.scene;
  return Object.entries(scene).some(([field, value]) => value !== Reflect.get(before.scene, field));
}

/**
 * Return the size of a photo's shown part.
 * @param {State} state
 * @param {Size} size
 */
function zoomedSize({ scene }, { width, height }) {
  return scene.zoom ? { width: width * scene.zoom.width, height: height * scene.zoom.height } : { width, height };
}

/**
 * Return the sizes of the pictures, for the number of columns that makes the smallest one largest.
 * @param {Size[]} photos
 * @param {boolean} over all at the same place
 * @param {HTMLElement} room its `--columns` is set
 * @returns {Size[]}
 */
function layout(photos, over, room) {
  const box = { width: Math.max(room.clientWidth, 40), height: Math.max(room.clientHeight, 40) };
  const count = over ? 1 : photos.length;
  const caption = photos.length > 1 ? CAPTION : 0;
  let best = { area: -1, columns: 1, cell: box };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cell = {
      width: (box.width - GAP * (columns - 1)) / columns,
      height: (box.height - GAP * (rows - 1)) / rows - caption,
    };
    const areas = photos.map((photo) => fitted(photo, cell)).map(({ width, height }) => width * height);
    const area = cell.height > 20 ? Math.min(...areas) : 0;
    if (area > best.area) best = { area, columns, cell };
  }
  room.style.setProperty("--columns", String(best.columns));
  return photos.map((photo) => fitted(photo, best.cell));
}
