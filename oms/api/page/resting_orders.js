// The list of resting orders, each with buttons to amend and to remove it.

import { amended } from "./amend.js";
import { confirmed } from "./confirm.js";
import { BOOK_OF, ORDER_OF, arrange, find, make, symbolName, write } from "./elements.js";
import { grouped } from "./exact.js";
import { fit, rowButton } from "./lists.js";
import { isOwn, ownOf } from "./own.js";
import { newKey, sendChange } from "./server.js";
import { unitsOf } from "./units.js";

const ROWS_AT_FIRST = 12;
const MORE_ROWS = 50;

export class RestingOrders {
  #book = null;
  #level = null;
  #shown = ROWS_AT_FIRST;
  #outcome = find("orders-outcome");
  #own = find("own-orders");

  constructor(onAll) {
    find("all-orders").addEventListener("click", onAll);
    this.#own.addEventListener("click", () => this.#toggleOwn());
    find("more-orders").addEventListener("click", () => { this.#shown += MORE_ROWS; this.draw(this.#book); });
  }

  // Lists the orders of one price level, or of all levels if `level` is null.
  choose(level) {
    this.#level = level;
    this.#shown = ROWS_AT_FIRST;
    this.#outcome.textContent = "";
  }

  clear() {
    find("orders").replaceChildren();
    find("more-orders").hidden = true;
  }

  draw(book) {
    const level = this.#level;
    const [orders, total] = this.#select(book);
    this.#book = book;
    find("orders-title").textContent = level ? `${titled(BOOK_OF[level.side])} at ${unitsOf(book.symbol).price(level.price)}` : "Resting orders";
    find("all-orders").hidden = !level;
    find("no-orders").hidden = orders.length > 0;
    find("no-orders").textContent = this.#onlyOwn ? "None of these orders was added in this browser tab." : "There are no resting orders.";
    const hidden = grouped(total - orders.length);
    find("more-orders").hidden = total <= orders.length;
    find("more-orders").textContent = `${hidden} more`;
    find("more-orders").setAttribute("aria-label", `Show ${hidden} more orders`);
    arrange(find("orders"), orders, ({ order_id }) => String(order_id), (order) => this.#create(order), update);
    fit("orders");
  }

  get #onlyOwn() {
    return this.#own.getAttribute("aria-pressed") === "true";
  }

  #toggleOwn() {
    this.#own.setAttribute("aria-pressed", String(!this.#onlyOwn));
    if (this.#book) this.draw(this.#book);
  }

  // Returns the orders to show, and how many there are with those that are not shown.
  #select(book) {
    const level = this.#level;
    if (this.#onlyOwn) {
      const own = ownOf(book.orders).filter(({ side, price }) => !level || (side === level.side && price === level.price));
      return [own.slice(0, this.#shown), own.length];
    }
    const total = level ? (book.levels[level.side].get(level.price)?.orders.size ?? 0) : book.orders.size;
    return [book.resting(level, this.#shown), total];
  }

  #create({ order_id }) {
    const row = make("tr", {}, write(make("th", { scope: "row", data: { name: "Id" } }), String(order_id)));
    for (const name of ["Book", "Amount", "Price"]) row.append(make("td", { className: `of-${name.toLowerCase()}`, data: { name } }));
    const change = [["Amend", () => this.#amend(row.order)], ["Remove", () => this.#remove(row.order)]];
    row.append(make("td", { className: "actions", data: { name: "" } }, ...change.map(([name, act]) => rowButton(name, order_id, act))));
    return row;
  }

  async #amend(order) {
    const { order_id, symbol } = order;
    const after = await amended({
      title: [`Amend order ${order_id} in `, symbolName(symbol)],
      note: "With a new amount, the order keeps its place in the queue. With a new price, it gets the place of its id at this price.",
      path: `orders/${order_id}`,
      order,
      current: () => this.#book?.orders.get(order_id) ?? null,
    });
    if (after === null) return;
    const units = unitsOf(symbol);
    this.#finish(`Amended order ${order_id}: ${ORDER_OF[after.side]} of ${units.amount(after.amount)} at ${units.price(after.price)}.`);
  }

  async #remove(order) {
    const key = newKey();
    const units = unitsOf(order.symbol);
    const removed = await confirmed({
      title: [`Remove order ${order.order_id}`],
      pairs: [
        ["Symbol", symbolName(order.symbol)],
        ["Side", `${order.side} (${ORDER_OF[order.side]})`],
        ["Amount", units.amount(order.amount)],
        ["Price", units.price(order.price)],
      ],
      note: "The id of a removed order cannot be used again.",
      label: "Remove",
      send: () => sendChange("DELETE", `orders/${order.order_id}`, null, key),
    });
    if (removed === null) return;
    this.#finish(`Removed order ${removed.order_id} with its remaining amount of ${unitsOf(removed.symbol).amount(removed.amount)}.`);
  }

  #finish(text) {
    this.#outcome.textContent = text;
    find("orders-title").focus();
  }
}

function titled(word) {
  return word[0].toUpperCase() + word.slice(1);
}

function update(row, order) {
  row.order = order;
  row.querySelector(".of-book").replaceChildren(
    make("span", { className: "side", data: { side: order.side } }, BOOK_OF[order.side]),
    ...(isOwn(order) ? [make("small", {}, "own")] : []),
  );
  const units = unitsOf(order.symbol);
  write(row.querySelector(".of-amount"), units.amount(order.amount));
  write(row.querySelector(".of-price"), units.price(order.price));
}
