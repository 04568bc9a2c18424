// Orders: one is added by a form; those that rest are listed, and each can be removed.

import { confirmed } from "./confirm.js";
import { BOOK_OF, ORDER_OF, arrange, find, make, symbolName, write } from "./elements.js";
import { grouped } from "./exact.js";
import { Form } from "./fields.js";
import { fit } from "./lists.js";
import { Unanswered, change, newKey } from "./server.js";

const LARGEST = 2n ** 53n - 1n; // of what the server takes
const AT_FIRST = 12;
const MORE = 50;

export class OrderForm {
  #form = new Form(find("order"));
  #id = find("order-id");
  #next = 1n;
  #own = false; // whether the id was typed, not proposed
  #busy = false;

  constructor(onAdded) {
    this.onAdded = onAdded;
    this.#id.addEventListener("input", () => { this.#own = true; });
    find("order").addEventListener("submit", (event) => { event.preventDefault(); this.#once(); });
    this.above(0n);
  }

  use(symbol) {
    find("order-symbol").value = symbol;
  }

  // Proposes an id above one that is used.
  above(id) {
    if (id >= this.#next) this.#next = id + 1n;
    if (!this.#own) this.#id.value = this.#next > LARGEST ? "" : String(this.#next);
  }

  // A second click while the first is under way is none, and after it there is no amount.
  async #once() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#add();
    } finally {
      this.#busy = false;
    }
  }

  async #add() {
    const form = this.#form;
    const order = { order_id: form.number("order_id", "Order id") };
    if (order.order_id === null) return;
    order.symbol = form.text("symbol");
    order.side = form.text("side");
    for (const [name, words] of [["amount", "Amount"], ["price", "Price"]]) {
      order[name] = form.number(name, words);
      if (order[name] === null) return;
    }
    try {
      const { own } = await (this.#own ? post(order) : this.#postFree(order));
      this.#own = false;
      this.above(order.order_id);
      find("order-amount").value = "";
      form.say(own ? said(order) : `Order ${order.order_id} was added before; nothing new rests.`);
      this.onAdded(order.symbol);
    } catch (error) {
      if (error instanceof Unanswered) this.#keep(order.order_id);
      form.refuse(error);
    }
  }

  // It may have been added: only under the same id will adding it again not add a second one.
  #keep(id) {
    this.#own = true;
    this.#id.value = String(id);
  }

  // An id that was only proposed may be used, even by an order just like this one: those further up are
  // tried, in ever longer steps.
  async #postFree(order) {
    for (let step = 1n; ; step *= 2n) {
      try {
        const answer = await post(order);
        if (answer.own) return answer;
      } catch (error) {
        if (error.problem?.code !== "duplicate_order") throw error;
      }
      order.order_id += step;
    }
  }
}

function post(order) {
  return change("POST", "orders", order, newKey());
}

function said({ order_id, side, amount, price }) {
  return `Order ${order_id} rests: ${ORDER_OF[side]} of ${grouped(amount)} at ${grouped(price)}.`;
}

export class RestingOrders {
  #book = null;
  #level = null;
  #shown = AT_FIRST;
  #outcome = find("orders-outcome");

  constructor(onAll) {
    find("all-orders").addEventListener("click", onAll);
    find("more-orders").addEventListener("click", () => { this.#shown += MORE; this.draw(this.#book); });
  }

  // Lists the orders at a price level only; at all of them, if it is null.
  choose(level) {
    this.#level = level;
    this.#shown = AT_FIRST;
    this.#outcome.textContent = "";
  }

  clear() {
    find("orders").replaceChildren();
    find("more-orders").hidden = true;
  }

  draw(book) {
    const level = this.#level;
    const found = book.resting(level, this.#shown);
    this.#book = book;
    const of = level ? (book.levels[level.side].get(level.price)?.orders.size ?? 0) : book.orders.size;
    find("orders-title").textContent = level ? `${titled(BOOK_OF[level.side])} at ${grouped(level.price)}` : "Resting orders";
    find("all-orders").hidden = !level;
    find("no-orders").hidden = found.length > 0;
    find("more-orders").hidden = of <= found.length;
    find("more-orders").textContent = `${grouped(of - found.length)} more`;
    find("more-orders").setAttribute("aria-label", `Show more orders: ${of - found.length} more rest`);
    arrange(find("orders"), found, ({ order_id }) => String(order_id), (order) => this.#create(order), update);
    fit("orders");
  }

  #create({ order_id }) {
    const row = make("tr", {}, write(make("th", { scope: "row", data: { name: "Id" } }), String(order_id)));
    for (const name of ["Book", "Amount", "Price"]) row.append(make("td", { className: `of-${name.toLowerCase()}`, data: { name } }));
    const remove = make("button", { type: "button", className: "quiet" }, "Remove");
    remove.setAttribute("aria-label", `Remove order ${order_id}`);
    remove.addEventListener("click", () => this.#remove(row.order));
    row.append(make("td", { data: { name: "" } }, remove));
    return row;
  }

  async #remove(order) {
    const key = newKey();
    const removed = await confirmed({
      title: [`Remove order ${order.order_id}`],
      pairs: [
        ["Symbol", symbolName(order.symbol)],
        ["Side", `${order.side} (${ORDER_OF[order.side]})`],
        ["Amount", grouped(order.amount)],
        ["Price", grouped(order.price)],
      ],
      note: "Its id is not free again afterwards.",
      verb: "Remove",
      act: () => change("DELETE", `orders/${order.order_id}`, null, key),
    });
    if (removed === null) return;
    this.#outcome.textContent = `Order ${removed.order_id} was removed: ${grouped(removed.amount)} were left of it.`;
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
  );
  write(row.querySelector(".of-amount"), grouped(order.amount));
  write(row.querySelector(".of-price"), grouped(order.price));
}
