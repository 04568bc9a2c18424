// The dialog in which the user amends the amount and the price of a resting order.

import { MOST } from "./decimals.js";
import { find } from "./elements.js";
import { write } from "./exact.js";
import { Form } from "./fields.js";
import { NoResponse, checkInstrument, newKey, sendChange } from "./server.js";
import { instrumentOf, labelsOf, unitsOf } from "./units.js";

const TRY_AGAIN = "The order may have been amended. You can try again, because the server makes the change only once.";
const NOTHING = "Change the amount or the price.";

// Shows the dialog, and sends what the user has changed to `path`. `order` contains the symbol, the amount, and the price,
// which is null for an order without a price. `current` returns the present amount and price, or null if the order is no
// longer open. Resolves to the response, or to null if the user cancels.
export function amended({ title, note, path, order, current }) {
  const dialog = find("amend");
  find("amend-title").replaceChildren(...title);
  find("amend-note").textContent = note;
  const fields = new AmendForm(path, order, current);
  dialog.showModal();
  find("amend-amount").select();
  return new Promise((resolve) => {
    let result = null;
    find("amend-form").onsubmit = async (event) => {
      event.preventDefault();
      result = await fields.send();
      if (result !== null) dialog.close();
    };
    find("amend-no").onclick = () => dialog.close();
    dialog.oncancel = (event) => { if (fields.busy) event.preventDefault(); };
    dialog.onclose = () => resolve(result);
  });
}

const form = new Form(find("amend-form"));

class AmendForm {
  busy = false;
  #path;
  #symbol;
  #instrument;
  #former; // the amount and the price that the user has seen
  #current;
  #unanswered = new Map(); // the keys of the requests without a response, by their bodies

  constructor(path, { symbol, amount, price }, current) {
    this.#path = path;
    this.#symbol = symbol;
    this.#instrument = instrumentOf(symbol);
    this.#former = { amount, price };
    this.#current = current;
    form.showOutcome("");
    const [units, labels] = [unitsOf(symbol), labelsOf(symbol)];
    form.showUnit("amount", "New amount", labels.amount, units.hasDecimals);
    form.showUnit("price", "New price", labels.price, units.hasDecimals);
    find("amend-amount").value = units.amount(amount);
    find("amend-price").value = price === null ? "" : units.price(price);
    find("amend-price").parentElement.hidden = price === null;
  }

  // Sends the changes, and returns the response, or null after a problem. Ignores a second click during the first request.
  async send() {
    if (this.busy) return null;
    this.busy = true;
    find("amend-yes").setAttribute("aria-disabled", "true");
    try {
      await checkInstrument(this.#symbol, this.#instrument);
      const changes = this.#changes();
      return changes && (await this.#sendOnce(changes));
    } catch (error) {
      form.showError(error);
      return null;
    } finally {
      this.busy = false;
      find("amend-yes").removeAttribute("aria-disabled");
    }
  }

  // Returns the fields that the user has changed, or null after a problem.
  #changes() {
    const units = unitsOf(this.#symbol);
    const changes = {};
    for (const [name, former] of Object.entries(this.#former)) {
      if (former === null) continue;
      const { number, problem } = name === "price" ? units.readPrice(form.text(name)) : units.readAmount(form.text(name), MOST);
      if (problem) return form.showProblem(problem, name) ?? null;
      if (number !== former) changes[name] = number;
    }
    if (!Object.keys(changes).length) return form.showProblem(NOTHING, "amount") ?? null;
    return this.#unanswered.has(write(changes)) || this.#isUnchanged(units) ? changes : null;
  }

  // Returns true if the order is still as the user has seen it. Otherwise, shows how it is now.
  #isUnchanged(units) {
    const now = this.#current();
    if (now === null) form.showProblem("The order is no longer open. It was filled or canceled.");
    else if (now.amount !== this.#former.amount || now.price !== this.#former.price) {
      const price = now.price === null ? "" : ` at ${units.price(now.price)}`;
      form.showProblem(`The order has changed to ${units.amount(now.amount)}${price}. Check your numbers, and then try again.`, "amount");
      this.#former = { amount: now.amount, price: now.price };
    } else return true;
    return false;
  }

  async #sendOnce(changes) {
    const body = write(changes);
    const key = this.#unanswered.get(body) ?? newKey();
    this.#unanswered.set(body, key);
    try {
      return await sendChange("PATCH", this.#path, { ...changes }, key);
    } catch (error) {
      if (error instanceof NoResponse) throw new Error(`${error.message} ${TRY_AGAIN}`);
      this.#unanswered.delete(body);
      throw error;
    }
  }
}
