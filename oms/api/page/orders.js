// The form that adds an order.

import { MOST } from "./decimals.js";
import { ORDER_OF, find } from "./elements.js";
import { Form } from "./fields.js";
import { addOwn } from "./own.js";
import { NoResponse, checkInstrument, get, loadInstrument, newKey, sendChange } from "./server.js";
import { instrumentOf, labelsOf, unitsOf } from "./units.js";

export class OrderForm {
  #form = new Form(find("order"));
  #id = find("order-id");
  #next = 1n;
  #typed = false; // true if the user typed the id
  #busy = false;
  #checked = null; // the last id that was looked up on the server
  #checking = false;

  constructor(onAdded) {
    this.onAdded = onAdded;
    this.#id.addEventListener("input", () => { this.#typed = true; });
    find("order-symbol").addEventListener("input", () => this.#changeSymbol());
    find("order").addEventListener("submit", (event) => { event.preventDefault(); this.#submit(); });
    find("order").addEventListener("focusin", () => this.#skipResting());
    this.#showNext();
  }

  use(symbol) {
    find("order-symbol").value = symbol;
    this.#checked = null;
    this.showUnits();
  }

  // Shows the amount, the price, and their labels in the units of the symbol in the form. `typed` contains the numbers that
  // the user has typed before a change of the units, or is left out to keep the text.
  showUnits(typed = {}) {
    const symbol = this.#form.text("symbol");
    const units = unitsOf(symbol);
    const labels = labelsOf(symbol);
    this.#form.showUnit("amount", "Amount", labels.amount, units.hasDecimals);
    this.#form.showUnit("price", "Price", labels.price, units.hasDecimals);
    if (typed.amount !== undefined) find("order-amount").value = units.amount(typed.amount);
    if (typed.price !== undefined) find("order-price").value = units.price(typed.price);
  }

  // Returns the numbers of lots and ticks that the user has typed. A number is undefined for any other text.
  get numbers() {
    const units = unitsOf(this.#form.text("symbol"));
    return {
      amount: units.readAmount(this.#form.text("amount"), MOST).number,
      price: units.readPrice(this.#form.text("price")).number,
    };
  }

  async #changeSymbol() {
    const symbol = this.#form.text("symbol");
    this.showUnits();
    if (symbol === "" || instrumentOf(symbol) !== undefined) return;
    try {
      await loadInstrument(symbol);
    } catch {
      // Without a response, #add requests the instrument again.
    }
  }

  // Suggests an id that is greater than a used id.
  suggestAbove(id) {
    if (id >= this.#next) this.#next = id + 1n;
    this.#showNext();
    if (this.#checked !== this.#next) this.#skipResting();
  }

  #showNext() {
    if (!this.#typed) this.#id.value = this.#next > MOST ? "" : String(this.#next);
  }

  // Skips the ids of resting orders of other symbols. The stream does not contain them, so the page requests each id.
  async #skipResting() {
    if (this.#checking) return;
    this.#checking = true;
    let step = 1n;
    try {
      do {
        this.#checked = this.#next;
        if (await isResting(this.#checked) && this.#checked === this.#next) {
          this.#next += step;
          step *= 2n;
        }
      } while (this.#checked !== this.#next && this.#next <= MOST);
    } catch {
      // Without a response, the suggestion stays as it is. If its id is used, #postWithFreeId finds another one.
    } finally {
      this.#checking = false;
    }
    this.#showNext();
  }

  // Ignores a second click during the first request. After the request, the field of the amount is empty.
  async #submit() {
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
    try {
      if (order.symbol !== "") await checkInstrument(order.symbol);
    } catch (error) {
      return form.showError(error);
    }
    const units = unitsOf(order.symbol);
    for (const [name, { number, problem }] of [
      ["amount", units.readAmount(form.text("amount"), MOST)], ["price", units.readPrice(form.text("price"))],
    ]) {
      if (problem) return form.showProblem(problem, name);
      order[name] = number;
    }
    try {
      const { isFirst } = await (this.#typed ? post(order) : this.#postWithFreeId(order));
      this.#typed = false;
      if (isFirst) addOwn(order.order_id);
      this.suggestAbove(order.order_id);
      find("order-amount").value = "";
      form.showOutcome(isFirst ? summary(order) : `Order ${order.order_id} had already been added, so nothing was added now.`);
      this.onAdded(order.symbol);
    } catch (error) {
      if (error instanceof NoResponse) this.#useId(order.order_id);
      form.showError(error);
    }
  }

  // Keeps the id of an order that may have been added in the form. A retry with the same id cannot add a second order.
  #useId(id) {
    this.#typed = true;
    this.#id.value = String(id);
  }

  // Tries larger and larger ids until one is free, because another client may have used the suggested id. If the other
  // client added an equal order, `isFirst` is false.
  async #postWithFreeId(order) {
    for (let step = 1n; ; step *= 2n) {
      try {
        const response = await post(order);
        if (response.isFirst) return response;
      } catch (error) {
        if (error.problem?.code !== "duplicate_order") throw error;
      }
      order.order_id += step;
    }
  }
}

async function isResting(id) {
  try {
    await get(`orders/${id}`);
    return true;
  } catch (error) {
    if (error.problem?.code === "order_not_found") return false;
    throw error;
  }
}

function post(order) {
  return sendChange("POST", "orders", order, newKey());
}

function summary({ order_id, symbol, side, amount, price }) {
  const units = unitsOf(symbol);
  return `Added order ${order_id}: ${ORDER_OF[side]} of ${units.amount(amount)} at ${units.price(price)}.`;
}
