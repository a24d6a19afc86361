// Two charts of the shown entries: a scatter of two columns, and a histogram of one.

import { make, svg } from "../dom.js";
import { histogram, told } from "./table.js";

/**
 * @typedef {import("./table.js").Table} Table
 * @typedef {import("./table.js").Entry} Entry
 * @typedef {import("./table.js").View} View
 */

const [WIDTH, HEIGHT, LEFT, BOTTOM, EDGE] = [380, 220, 46, 30, 8];
const BINS = 24;

/** @typedef {{entry: Entry, checkpoint: number, x: number, y: number}} Point */

/**
 * Both charts, drawn again for each view.
 * @param {HTMLElement} hover shows the picture under the mouse
 * @param {(name: string) => void} choose called with the picture of the point that was clicked
 */
export function makeCharts(hover, choose) {
  const place = make("div", { class: "charts" });
  return {
    element: place,
    /**
     * @param {Table} table
     * @param {Entry[]} shown
     * @param {View} view
     */
    show(table, shown, view) {
      const { drawing, nearest } = scatter(table, shown, view.x, view.y, view.selected);
      const at = (/** @type {MouseEvent} */ event) => {
        const box = drawing.getBoundingClientRect();
        const unit = WIDTH / box.width;
        return nearest((event.clientX - box.left) * unit, (event.clientY - box.top) * unit);
      };
      drawing.addEventListener("mousemove", (event) => {
        const point = at(/** @type {MouseEvent} */ (event));
        hover.hidden = point === null;
        if (point) fillHover(hover, table, view, point, /** @type {MouseEvent} */ (event));
      });
      drawing.addEventListener("mouseleave", () => {
        hover.hidden = true;
      });
      drawing.addEventListener("click", (event) => {
        const point = at(/** @type {MouseEvent} */ (event));
        if (point) choose(point.entry.picture.name);
      });
      place.replaceChildren(drawing, bars(table, shown, view.sort));
    },
  };
}

/**
 * @param {HTMLElement} hover
 * @param {Table} table
 * @param {View} view
 * @param {Point} point
 * @param {MouseEvent} event
 */
function fillHover(hover, table, view, point, event) {
  const { picture, rows } = point.entry;
  const row = rows.find((candidate) => candidate.checkpoint === point.checkpoint) ?? rows[0];
  const numbers = [view.x, view.y].map((column) => `${table.columns[column]?.title} ${told(row?.values[column])}`);
  const name = table.checkpoints.length > 1 ? `${picture.name}, ${table.checkpoints[point.checkpoint]}` : picture.name;
  hover.replaceChildren(
    make("img", { alt: "", src: picture.photo }),
    make("strong", {}, name),
    make("span", {}, numbers.join(", ")),
  );
  hover.style.left = `${Math.max(8, event.clientX - 190)}px`;
  hover.style.top = `${Math.min(event.clientY + 14, innerHeight - 190)}px`;
}

/**
 * The scatter as SVG.
 * @param {Table} table
 * @param {Entry[]} shown
 * @param {number} x
 * @param {number} y
 * @param {string | null} selected
 * @returns {{drawing: Element, nearest: (left: number, top: number) => Point | null}} `nearest` finds the point at a
 *   place in the SVG's own units, at most 14 of them away
 */
export function scatter(table, shown, x, y, selected) {
  const values = shown.flatMap((entry) =>
    entry.rows.flatMap((row) => {
      const [across, up] = [row.values[x] ?? null, row.values[y] ?? null];
      return across === null || up === null ? [] : [{ entry, checkpoint: row.checkpoint, across, up }];
    }),
  );
  const drawing = frame(`${table.columns[y]?.title} against ${table.columns[x]?.title}, ${values.length} points`);
  const horizontal = scale(
    values.map((pair) => pair.across),
    LEFT,
    WIDTH - EDGE,
  );
  const vertical = scale(
    values.map((pair) => pair.up),
    HEIGHT - BOTTOM,
    EDGE,
  );
  axes(drawing, horizontal, vertical, table.columns[x]?.title ?? "", table.columns[y]?.title ?? "");
  /** @type {Point[]} */
  const points = values.map(({ entry, checkpoint, across, up }) => {
    return { entry, checkpoint, x: horizontal.place(across), y: vertical.place(up) };
  });
  const chosen = points.filter((point) => point.entry.picture.name === selected);
  for (const point of [...points, ...chosen]) {
    const isChosen = chosen.includes(point);
    const shape = { cx: point.x.toFixed(1), cy: point.y.toFixed(1), r: isChosen ? 6 : 3.5 };
    const kind = `dot of-${point.checkpoint}${isChosen ? " chosen" : ""}`;
    drawing.append(svg("circle", { ...shape, class: kind, "data-picture": point.entry.picture.name }));
  }
  return {
    drawing,
    nearest(left, top) {
      let [best, distance] = [/** @type {Point | null} */ (null), 14];
      for (const point of points) {
        const away = Math.hypot(point.x - left, point.y - top);
        if (away < distance) [best, distance] = [point, away];
      }
      return best;
    },
  };
}

/**
 * The histogram of a column as SVG.
 * @param {Table} table
 * @param {Entry[]} shown
 * @param {number} column
 */
export function bars(table, shown, column) {
  const values = shown.flatMap((entry) => entry.rows.flatMap((row) => row.values[column] ?? []));
  const title = table.columns[column]?.title ?? "";
  const drawing = frame(`Histogram of ${title}, ${values.length} numbers`, 140);
  drawing.classList.add("bars");
  if (values.length === 0) return drawing;
  const { low, high, bins } = histogram(values, BINS);
  const largest = Math.max(...bins);
  const width = (WIDTH - LEFT - EDGE) / BINS;
  for (const [index, count] of bins.entries()) {
    const height = ((140 - BOTTOM - EDGE) * count) / largest;
    const place = { x: LEFT + index * width + 0.5, width: width - 1, y: 140 - BOTTOM - height, height };
    drawing.append(svg("rect", { ...place, class: "bin" }, svg("title", {}, `${count}`)));
  }
  drawing.append(
    text(LEFT, 140 - 14, told(low), "start"),
    text(WIDTH - EDGE, 140 - 14, told(high), "end"),
    text(LEFT - 6, EDGE + 9, String(largest), "end"),
    text((WIDTH + LEFT) / 2, 140 - 3, title, "middle"),
  );
  return drawing;
}

/**
 * @param {string} label
 * @param {number} height
 */
function frame(label, height = HEIGHT) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label, class: "chart" });
}

/**
 * @param {number[]} values
 * @param {number} start
 * @param {number} end
 */
function scale(values, start, end) {
  const low = values.length ? Math.min(...values) : 0;
  const high = values.length ? Math.max(...values) : 1;
  const span = high - low || 1;
  return { low, high, place: (/** @type {number} */ value) => start + ((value - low) / span) * (end - start) };
}

/**
 * @param {Element} drawing
 * @param {ReturnType<typeof scale>} horizontal
 * @param {ReturnType<typeof scale>} vertical
 * @param {string} xTitle
 * @param {string} yTitle
 */
function axes(drawing, horizontal, vertical, xTitle, yTitle) {
  const base = HEIGHT - BOTTOM + 4;
  drawing.append(
    svg("path", { d: `M${LEFT - 4} ${EDGE}V${base}H${WIDTH - EDGE}`, class: "axis" }),
    text(LEFT, base + 12, told(horizontal.low), "start"),
    text(WIDTH - EDGE, base + 12, told(horizontal.high), "end"),
    text((LEFT + WIDTH) / 2, base + 22, xTitle, "middle"),
    text(LEFT - 8, HEIGHT - BOTTOM, told(vertical.low), "end"),
    text(LEFT - 8, EDGE + 9, told(vertical.high), "end"),
  );
  const side = text(0, 0, yTitle, "middle");
  side.setAttribute("transform", `translate(10 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)`);
  drawing.append(side);
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} anchor
 */
function text(x, y, content, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, content);
}
