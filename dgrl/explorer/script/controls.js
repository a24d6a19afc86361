// The bar of controls below the stage, and the one above it.

import { choice, make } from "./dom.js";
import { BOTH } from "./layers.js";

/** @typedef {import("./explorer.js").App} App */

const BEAT = 900;

/** @param {App} app */
export function makeControls(app) {
  const element = make("div", { class: "controls", role: "group", "aria-label": "What the stage shows" });
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Opacity of the map" });
  opacity.addEventListener("input", () => app.update({ opacity: Number(opacity.value) }));
  const play = make("button", { type: "button", class: "play", click: () => toggle() });
  const arrangements = [
    { value: "beside", text: "side by side" },
    { value: "wipe", text: "wipe" },
    { value: "difference", text: "difference" },
  ];
  const arrangement = choice("Two maps", arrangements, (value) => app.update({ arrangement: value }));
  const painting = makePainting(app);
  const both = make("button", { type: "button", click: () => app.update({ map: isBoth() ? "refined" : BOTH }) });
  both.append("before | after");
  both.title = "The map before BRN beside that after it";
  const isBoth = () => app.state.map === BOTH;
  let timer = 0;
  let steps = choice("Time step", [], () => {});

  function build() {
    const count = Math.max(...app.slots.map((slot) => slot?.pass.header.steps ?? 1));
    const choices = Array.from({ length: count }, (_, t) => ({ value: String(t), text: String(t) }));
    steps = choice("t =", choices, (value) => app.update({ step: Number(value) }, "step"));
    steps.element.classList.add("steps");
    play.hidden = count < 2;
    const label = make("label", { class: "opacity" }, make("span", {}, "opacity"), opacity);
    both.hidden = !!app.slots[1];
    element.replaceChildren(
      play,
      steps.element,
      label,
      both,
      arrangement.element,
      ...(app.paints ? [painting.element] : []),
    );
    draw();
  }

  function draw() {
    const { state } = app;
    steps.set(String(state.step));
    both.setAttribute("aria-pressed", String(isBoth()));
    arrangement.element.hidden = !app.slots[1] && !isBoth();
    arrangement.set(state.arrangement);
    opacity.value = String(state.opacity);
    opacity.disabled = state.map === "photo";
    play.textContent = timer ? "❚❚" : "▶";
    play.setAttribute("aria-label", timer ? "Stop the steps" : "Play the steps");
    painting.draw();
  }

  /** Go round the time steps, or stop. */
  function toggle() {
    if (timer) {
      stop();
    } else {
      timer = window.setInterval(() => {
        const count = Math.max(...app.slots.map((slot) => slot?.pass.header.steps ?? 1));
        app.update({ step: (app.state.step + 1) % count }, "step");
      }, BEAT);
    }
    draw();
  }

  function stop() {
    window.clearInterval(timer);
    timer = 0;
  }

  return { element, build, draw, toggle, stop };
}

/**
 * The brush's settings.
 * @param {App} app
 */
function makePainting(app) {
  const { settings } = app.brush;
  const on = make(
    "button",
    { type: "button", "aria-pressed": "false", click: () => set({ on: !settings.on }) },
    "paint",
  );
  const ink = choice(
    "Brush",
    [
      { value: "4", text: "more", title: "Painted weights count four times as much" },
      { value: "0", text: "none", title: "Painted weights do not count at all" },
      { value: "rub", text: "rub out", title: "Take paint away" },
    ],
    (value) => set(value === "rub" ? { rub: true } : { rub: false, strength: Number(value) }),
  );
  const size = make("input", {
    type: "range",
    min: 0.02,
    max: 0.2,
    step: 0.01,
    value: 0.06,
    "aria-label": "Brush size",
  });
  size.addEventListener("input", () => set({ radius: Number(size.value) }));
  const element = make("div", { class: "painting" }, on, ink.element, size);

  /** @param {Partial<typeof settings>} changes */
  function set(changes) {
    Object.assign(settings, changes);
    const { map } = app.state;
    const levels = app.slots[0]?.pass.header.levels ?? [];
    if (settings.on && !levels.includes(map)) app.update({ map: levels[1] ?? levels[0] ?? map });
    app.redraw();
  }

  function draw() {
    on.setAttribute("aria-pressed", String(settings.on));
    ink.element.hidden = size.hidden = !settings.on;
    ink.set(settings.rub ? "rub" : String(settings.strength));
  }

  return { element, draw };
}

/**
 * Title, what was found, and what concerns the whole explorer.
 * @param {App} app
 */
export function makeBar(app) {
  const title = make("h1", {});
  const found = make("p", { class: "prose" });
  const present = make(
    "button",
    { type: "button", click: () => app.update({ present: !app.state.present }) },
    "Present",
  );
  const theme = make("button", { type: "button", click: () => app.update({ theme: app.dark() ? "light" : "dark" }) });
  const keys = makeKeys();
  const buttons = make("div", { class: "buttons" }, present, theme, keys);
  const element = make("div", { class: "bar-above" }, make("div", { class: "words" }, title, found), buttons);

  function draw() {
    const header = app.slots[0]?.pass.header;
    title.textContent = header?.title ?? "";
    title.hidden = !header?.title;
    found.textContent = header?.found ?? "";
    present.setAttribute("aria-pressed", String(app.state.present));
    theme.textContent = app.dark() ? "Light" : "Dark";
  }

  return { element, draw };
}

function makeKeys() {
  const keys = [
    ["point, click", "show a pixel, pin it"],
    ["← ↑ ↓ →", "move the pixel; with Shift by ten"],
    ["Enter, Esc", "pin or free it; free it"],
    [", .", "time step back, on"],
    ["space", "play the steps"],
    ["1 … 9", "photo, conv3 to 5, prediction, change, before, change by BRN, after"],
    ["+ −", "opacity"],
    ["w d b", "two maps: wipe, difference, side by side"],
    ["p", "present: large digits, no prose"],
  ];
  const rows = keys.map(([key = "", what = ""]) => make("div", {}, make("dt", {}, key), make("dd", {}, what)));
  return make("details", { class: "keys" }, make("summary", {}, "Keys"), make("dl", {}, ...rows));
}
