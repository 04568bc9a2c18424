// The numbers of a chart as a table, for readers who do not see the chart. The table is filled only while it is open.

import { find, make } from "./elements.js";

export class ChartTable {
  #details;
  #table;
  #names = [];
  #rows = () => [];

  constructor(name) {
    this.#details = find(`${name}-table`);
    this.#table = this.#details.querySelector("table");
    this.#details.addEventListener("toggle", () => this.#fill());
  }

  clear() {
    this.draw([], () => []);
  }

  // Shows the names of the columns, and the texts of the rows that `rows` returns. The first cell of a row is its header.
  draw(names, rows) {
    this.#names = names;
    this.#rows = rows;
    this.#fill();
  }

  #fill() {
    if (!this.#details.open) return;
    const [head, body] = [this.#table.tHead, this.#table.tBodies[0]];
    head.replaceChildren(make("tr", {}, ...this.#names.map((name) => make("th", { scope: "col" }, name))));
    body.replaceChildren(...this.#rows().map(([first, ...others]) =>
      make("tr", {}, make("th", { scope: "row" }, first), ...others.map((text) => make("td", {}, text)))));
  }
}
