// The list of open orders in a matching engine, each with buttons to amend and to cancel it.

import { amended } from "./amend.js";
import { confirmed } from "./confirm.js";
import { find, make, symbolName, write } from "./elements.js";
import { grouped } from "./exact.js";
import { summary } from "./execution.js";
import { orderPath } from "./ids.js";
import { LongList, nameCell, nameText, rowButton, sideName } from "./lists.js";
import { newKey, sendChange } from "./server.js";
import { unitsOf } from "./units.js";

const COLUMNS = [
  ["Side", "text"], ["Price", ""], ["Filled", ""], ["Remaining", ""], ["Status", "text"], ["Time in force", "text"],
];

export class OpenOrders {
  #book = null;
  #outcome = find("orders-outcome");
  #list = new LongList("orders", {
    name: "orders",
    keyOf: ({ id, owner }) => JSON.stringify([id, owner]), // another owner can use the id of a closed order
    create: (order) => this.#create(order),
    update: (row, order) => this.#update(row, order),
  });

  constructor(owners) {
    this.owners = owners;
    find("cancel-all").addEventListener("click", () => this.#cancelAll());
  }

  clear() {
    this.#book = null;
    this.#outcome.textContent = "";
    this.#list.clear();
    find("cancel-all").hidden = true;
  }

  draw(book) {
    this.#book = book;
    find("orders-title").textContent = book.owner === null ? "Open orders of all owners" : "Your open orders";
    find("orders-owner").hidden = book.owner !== null;
    const orders = this.owners.select([...book.orders.values()]);
    find("cancel-all").hidden = !orders.length;
    this.#list.draw(orders.reverse());
  }

  #create({ id, owner }) {
    const change = [["Amend", () => this.#amend(row.order)], ["Cancel", () => this.#cancel(row.order)]];
    const row = make("tr", {},
      nameCell("th", "Id", id),
      nameCell("td", "Owner", owner),
      ...COLUMNS.map(([name, className]) => make("td", { className, data: { name } })),
      make("td", { className: "actions", data: { name: "" } }, ...change.map(([name, act]) => rowButton(name, id, act))),
    );
    row.children[1].hidden = this.#book.owner !== null;
    return row;
  }

  #update(row, order) {
    const units = unitsOf(order.symbol);
    const [, , side, price, filled, remaining, status, force] = row.children;
    row.order = order;
    side.replaceChildren(sideName(order.side));
    write(price, priceOf(order, units));
    write(filled, units.amount(order.filled));
    write(remaining, units.amount(order.remaining));
    status.replaceChildren(statusOf(order, units));
    force.replaceChildren(make("div", {}, ...termsOf(order, units)));
  }

  async #amend(order) {
    const after = await amended({
      title: ["Amend order ", nameText(order.id)],
      note: "The amended order goes to the back of the queue at its price, and may trade at once.",
      path: orderPath(order.id),
      order: termsNow(order),
      current: () => {
        const now = this.#book?.orders.get(order.id);
        return now ? termsNow(now) : null;
      },
    });
    if (after) this.#finish(`Amended order ${order.id}: ${summary(after)}.`);
  }

  async #cancel(order) {
    const key = newKey();
    const units = unitsOf(order.symbol);
    const owner = this.#book.owner === null ? [["Owner", nameText(order.owner)]] : [];
    const canceled = await confirmed({
      title: ["Cancel order ", nameText(order.id)],
      pairs: [
        ["Symbol", symbolName(order.symbol)],
        ...owner,
        ["Side", sideName(order.side)],
        ["Price", priceOf(order, units)],
        ["Remaining", units.amount(order.remaining)],
      ],
      note: "Until the server has canceled it, the order can still be filled.",
      label: "Cancel the order",
      refusal: "Keep it",
      send: () => sendChange("DELETE", orderPath(order.id), null, key),
    });
    if (canceled) this.#finish(`Canceled order ${order.id} with its remaining amount of ${unitsOf(order.symbol).amount(canceled.remaining)}.`);
  }

  async #cancelAll() {
    const key = newKey();
    const { symbol, orders } = this.#book;
    const chosen = this.owners.owner;
    const owner = this.#book.owner ?? chosen;
    const query = chosen === null ? "" : `&owner=${encodeURIComponent(chosen)}`;
    const canceled = await confirmed({
      title: ["Cancel all open orders in ", symbolName(symbol)],
      pairs: [["Orders", grouped(this.owners.select([...orders.values()]).length)], ["Owner", owner === null ? "All owners" : nameText(owner)]],
      note: "Orders that arrive before the server cancels them are canceled too.",
      label: "Cancel all",
      refusal: "Keep them",
      send: () => sendChange("DELETE", `orders?symbol=${encodeURIComponent(symbol)}${query}`, null, key),
    });
    if (!canceled) return;
    const number = canceled.orders.length;
    this.#finish(`Canceled ${grouped(number)} ${number === 1 ? "order" : "orders"}.`);
  }

  #finish(text) {
    this.#outcome.textContent = text;
    find("orders-title").focus();
  }
}

// Returns what the user can amend: the open amount, and the limit price, which is null for an order without one.
function termsNow({ symbol, remaining, price }) {
  return { symbol, amount: remaining, price };
}

// Returns the price at which an order rests. A waiting order has its limit instead.
function priceOf({ price, resting_price }, units) {
  const shown = resting_price ?? price;
  return shown === null ? "Market" : units.price(shown);
}

function statusOf({ status, stop_price }, units) {
  if (status === "WAITING") return `Waits for ${units.price(stop_price)}`;
  return { OPEN: "Open", PARTIALLY_FILLED: "Partly filled" }[status] ?? status;
}

// Returns the time in force, and the other terms below it.
function termsOf({ time_in_force, expires, post_only, display }, units) {
  const terms = [];
  if (expires !== null) terms.push(`until ${new Date(Number(expires / 1_000_000n)).toISOString().slice(0, 19).replace("T", " ")} UTC`);
  if (post_only !== null) terms.push("post-only");
  if (display !== null) terms.push(`shows ${units.amount(display)}`);
  return [time_in_force, ...terms.map((term) => make("small", {}, term))];
}
