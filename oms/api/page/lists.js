// The lists below the ladder. Each order or trade is a row. A list that is too wide gets smaller numbers, then no average,
// and then each number has its own line.

import { arrange, find, make } from "./elements.js";
import { grouped } from "./exact.js";

const STEPS = ["dense", "brief", "stacked"];
const ROWS_AT_FIRST = 12;
const MORE_ROWS = 50;

addEventListener("resize", () => document.querySelectorAll(".list > tbody").forEach(({ id }) => fit(id)));

// Gives a list the first style with which its rows fit. In the last one, all numbers are visible.
export function fit(id) {
  const table = find(id).parentElement;
  table.classList.remove(...STEPS);
  for (const step of STEPS) {
    if (table.offsetWidth <= table.parentElement.clientWidth) return;
    if (step === "stacked") table.classList.remove(...STEPS);
    table.classList.add(step);
  }
}

// A list that shows its first rows, and a button that shows more of them. `create` and `update` make and change a row.
export class LongList {
  #id;
  #rows;
  #items = [];
  #shown = ROWS_AT_FIRST;

  constructor(id, rows) {
    this.#id = id;
    this.#rows = rows;
    find(`more-${id}`).addEventListener("click", () => { this.#shown += MORE_ROWS; this.draw(this.#items); });
  }

  clear() {
    this.#shown = ROWS_AT_FIRST;
    find(this.#id).replaceChildren();
    this.draw([]);
  }

  draw(items) {
    const [id, { keyOf, create, update, name }] = [this.#id, this.#rows];
    this.#items = items;
    arrange(find(id), items.slice(0, this.#shown), keyOf, create, update);
    find(`no-${id}`).hidden = items.length > 0;
    const hidden = grouped(Math.max(0, items.length - this.#shown));
    find(`more-${id}`).hidden = items.length <= this.#shown;
    find(`more-${id}`).textContent = `${hidden} more`;
    find(`more-${id}`).setAttribute("aria-label", `Show ${hidden} more ${name}`);
    fit(id);
  }
}

// Returns an element with an order id or an owner, which may be any text. Only a long text may break into several lines.
export function nameText(text) {
  return text === null ? "–" : make("bdi", { className: text.length > 16 ? "name long-name" : "name", title: text }, text);
}

export function nameCell(tag, name, text, ...more) {
  const cell = make(tag, { className: "text", data: { name } }, make("div", {}, nameText(text), ...more));
  if (tag === "th") cell.scope = "row";
  return cell;
}

// Returns a button that changes the order of a row.
export function rowButton(name, id, act) {
  const button = make("button", { type: "button", className: "quiet" }, name);
  button.setAttribute("aria-label", `${name} order ${id}`);
  button.addEventListener("click", act);
  return button;
}

// Returns an element with the submitter's side.
export function sideName(side) {
  return make("span", { className: "side", data: { side } }, side);
}
