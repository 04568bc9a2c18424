// The two charts beside the ladder. They show the state of the stream, and are drawn at most once per frame of the screen.

import { CostCurve } from "./cost_curve.js";
import { DepthChart } from "./depth_chart.js";

export class Charts {
  #book = null;
  #drawing = false;
  #depth = new DepthChart();
  #cost = new CostCurve(() => this.redraw());

  // `question` returns the side and the amount of lots in the form of the page. The amount is undefined for other text.
  constructor(form, question) {
    this.question = question;
    form.addEventListener("input", () => this.redraw());
    addEventListener("resize", () => this.redraw()); // the number of labels depends on the width
  }

  // Shows empty charts until the book of the new symbol has arrived.
  clear() {
    this.#book = null;
    this.#depth.clear();
    this.#cost.clear();
  }

  draw(book) {
    this.#book = book;
    const sides = { BUY: book.ladder("BUY"), SELL: book.ladder("SELL") };
    this.#depth.draw(book.symbol, sides);
    this.#cost.draw(book.symbol, sides, this.question());
  }

  redraw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (this.#book) this.draw(this.#book);
    });
  }
}
