// The drawing area of a chart: areas and lines in an SVG image, and the labels of its two axes.

import { find, make } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 1_000; // the width and the height of the image, which the browser stretches
const LETTER = 6.5; // the width of a digit in pixels
const HEIGHT = 12; // of a label, in pixels
const GAP = 20; // pixels between two labels
const MARGIN = 12; // pixels beside the area
const MOST_MARKS = 6;
const ROWS = 4;

export class Plot {
  #area;
  #image = drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #labels = make("div", { className: "marks" });

  constructor(id) {
    this.#area = find(id);
    this.#area.replaceChildren(this.#image, this.#labels);
  }

  clear() {
    this.#image.replaceChildren();
    this.#labels.replaceChildren();
  }

  // Draws shapes between two axes. An axis has the property `show`, which returns the label of a number. The points of a
  // shape are positions on both axes. An area is filled down to the horizontal axis.
  draw({ x, y, shapes }) {
    const columns = x.axis.marks(this.#columns(x)).map((number) => [x.axis.at(number), x.show(number)]);
    const rows = y.axis.marks(ROWS).map((number) => [y.axis.at(number), y.show(number)]);
    const grid = [...columns.map(([at]) => [[at, 0], [at, 1]]), ...rows.map(([at]) => [[0, at], [1, at]])];
    this.#image.replaceChildren(
      ...grid.map((points) => drawn("path", { class: "grid", d: line(points) })),
      ...shapes.map(({ points, ...attributes }) => drawn("path", { ...attributes, d: line(points) })),
    );
    this.#labels.replaceChildren(
      ...columns.map(([at, text]) => placed("column", text, { left: inside(at, (text.length * LETTER) / 2) })),
      ...rows.map(([at, text]) => placed("row", text, { bottom: `min(${100 * at}%, 100% - ${HEIGHT}px)` })),
    );
  }

  // Returns how many labels fit next to each other.
  #columns({ axis, show }) {
    const longest = Math.max(show(axis.least).length, show(axis.most).length);
    const fitting = Math.floor(this.#area.clientWidth / (longest * LETTER + GAP));
    return Math.max(1, Math.min(MOST_MARKS, fitting));
  }
}

// Returns the place of the middle of a label, which must not be wider than the area and its margins.
function inside(at, half) {
  return `clamp(${half - MARGIN}px, ${100 * at}%, 100% - ${half - MARGIN}px)`;
}

function line(points) {
  return `M${points.map(([x, y]) => `${(SIZE * x).toFixed(1)} ${(SIZE * (1 - y)).toFixed(1)}`).join("L")}`;
}

function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function placed(className, text, places) {
  const label = make("span", { className }, text);
  for (const [name, value] of Object.entries(places)) label.style.setProperty(name, value);
  return label;
}
