// The ladder: the price levels of both sides, best first, with a bar for each amount.

import { arrange, find, make, write } from "./elements.js";
import { grouped } from "./exact.js";
import { unitsOf } from "./units.js";

const ROWS_AT_FIRST = 12;
const MORE_ROWS = 50;

export class Ladder {
  #book = null;
  #shown = ROWS_AT_FIRST;
  #chosen = null;
  #quote = null;

  // `hint` says what a click on a price does. If `isToggle` is true, the click chooses the price until another click.
  constructor(onChoose, { hint = "Show the orders at this price", isToggle = true } = {}) {
    this.onChoose = onChoose;
    this.hint = hint;
    this.isToggle = isToggle;
    for (const side of ["BUY", "SELL"]) {
      find(`more-${side}`).addEventListener("click", () => { this.#shown += MORE_ROWS; this.draw(this.#book); });
    }
  }

  // Shows an empty ladder until the book of the new symbol has arrived, so that nobody mistakes the old book for it.
  clear() {
    this.#book = null;
    this.#shown = ROWS_AT_FIRST;
    for (const side of ["BUY", "SELL"]) this.#drawSide(side, [], 1n);
    drawSpread(null, null);
  }

  // Draws all rows again, in other units.
  redraw() {
    for (const side of ["BUY", "SELL"]) find(`levels-${side}`).replaceChildren();
    if (this.#book) this.draw(this.#book);
  }

  // Marks the levels that the quoted trade would fill.
  mark(quote) {
    this.#quote = quote;
    if (this.#book) this.draw(this.#book);
  }

  choose(level) {
    this.#chosen = level;
    if (this.#book) this.draw(this.#book);
  }

  draw(book) {
    this.#book = book;
    const sides = { BUY: book.ladder("BUY"), SELL: book.ladder("SELL") };
    const shown = Object.values(sides).flatMap((levels) => levels.slice(0, this.#shown));
    const largest = shown.reduce((largest, { amount }) => (amount > largest ? amount : largest), 1n);
    for (const [side, levels] of Object.entries(sides)) this.#drawSide(side, levels, largest);
    drawSpread(sides.BUY[0]?.price ?? null, sides.SELL[0]?.price ?? null, unitsOf(book.symbol));
  }

  #drawSide(side, levels, largest) {
    let total = 0n;
    const rows = levels.slice(0, this.#shown).map((level) => {
      total += level.amount;
      return { ...level, total, share: Number((level.amount * 1000n) / largest) / 10 };
    });
    arrange(find(`levels-${side}`), rows, ({ price }) => String(price), (row) => this.#create(row), (element, row) => {
      this.#update(element, row);
    });
    find(`empty-${side}`).hidden = levels.length > 0;
    const hidden = levels.length - rows.length;
    find(`more-${side}`).hidden = hidden <= 0;
    find(`more-${side}`).textContent = `${hidden} more price level${hidden === 1 ? "" : "s"}`;
  }

  #create({ side, price }) {
    const choose = write(make("button", { type: "button", className: "choose" }), unitsOf(this.#book.symbol).price(price));
    choose.title = this.hint;
    choose.addEventListener("click", () => this.onChoose({ side, price }));
    const cells = [
      make("th", { scope: "row", className: "price" }, choose),
      ...["amount", "total", "orders"].map((name) => make("td", { className: name })),
    ];
    return make("tr", {}, ...(side === "BUY" ? cells : cells.reverse()));
  }

  #update(row, level) {
    row.style.setProperty("--share", `${level.share}%`);
    const amount = row.querySelector(".amount");
    const before = amount.textContent;
    const units = unitsOf(this.#book.symbol);
    const now = units.amount(level.amount);
    if (before !== now) {
      write(amount, now);
      if (before) flash(row);
    }
    write(row.querySelector(".total"), units.amount(level.total));
    row.querySelector(".orders").textContent = level.orders.size ? grouped(level.orders.size) : "";
    row.classList.toggle("filled", this.#isFilled(level));
    const chosen = this.#chosen?.side === level.side && this.#chosen.price === level.price;
    if (this.isToggle) row.querySelector("button").setAttribute("aria-pressed", String(chosen));
  }

  #isFilled({ side, price }) {
    if (this.#quote?.side !== side) return false;
    return side === "BUY" ? price <= this.#quote.worst_price : price >= this.#quote.worst_price;
  }
}

function drawSpread(ask, bid, units) {
  write(find("best-BUY"), ask === null ? "–" : units.price(ask));
  write(find("best-SELL"), bid === null ? "–" : units.price(bid));
  const both = ask !== null && bid !== null;
  find("spread-name").textContent = both && ask < bid ? "Crossed by" : "Spread";
  write(find("spread"), both ? units.price(ask < bid ? bid - ask : ask - bid) : "–");
}

function flash(row) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  row.animate([{ opacity: 0.35 }, { opacity: 1 }], { duration: 500, easing: "ease-out" });
}
