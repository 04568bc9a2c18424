// The form that submits an order to a matching engine.

import { MOST } from "./decimals.js";
import { find } from "./elements.js";
import { write } from "./exact.js";
import { summary } from "./execution.js";
import { Form } from "./fields.js";
import { idInBody, idText } from "./ids.js";
import { NoResponse, checkInstrument, loadInstrument, newKey, sendChange } from "./server.js";
import { instrumentOf, labelsOf, unitsOf } from "./units.js";

// The order types. Each has its number fields besides the amount, and its terms.
const TYPES = {
  limit: { fields: ["price"] },
  market: { fields: [] },
  ioc: { fields: ["price"], terms: { time_in_force: "IOC" } },
  fok: { fields: ["price"], terms: { time_in_force: "FOK" } },
  "post-only": { fields: ["price"], terms: { post_only: "REJECT" } },
  stop: { fields: ["stop_price"] },
  "stop-limit": { fields: ["stop_price", "price"] },
  iceberg: { fields: ["price", "display"] },
};

// The number fields, each with its label and its kind of unit.
const NUMBERS = {
  amount: ["Amount", "amount"],
  price: ["Price", "price"],
  stop_price: ["Stop price", "price"],
  display: ["Visible amount", "amount"],
};

const TRY_AGAIN = "The order may have been submitted. You can try again, because the server submits the same order only once.";

export class SubmissionForm {
  #form = new Form(find("order"));
  #busy = false;
  #typed = false; // true if the user typed the id
  #unanswered = new Map(); // the keys of the requests without a response, by their bodies

  constructor(onSubmitted) {
    this.onSubmitted = onSubmitted;
    find("order-id").addEventListener("input", () => { this.#typed = true; });
    find("order-symbol").addEventListener("input", () => this.#changeSymbol());
    find("order-type").addEventListener("change", () => this.#showFields());
    find("order").addEventListener("submit", (event) => { event.preventDefault(); this.#submit(); });
    this.#showFields();
    this.#suggestId();
  }

  use(symbol) {
    find("order-symbol").value = symbol;
    this.showUnits();
  }

  // Shows the field of the owner to users who may submit orders of all owners.
  showOwner(isShown) {
    find("owner-field").hidden = !isShown;
    if (!isShown) find("order-owner").value = "";
  }

  // Enters a price of the ladder.
  usePrice(symbol, price) {
    this.use(symbol);
    const { fields } = this.#type;
    const name = fields.includes("price") || !fields.length ? "price" : fields[0];
    this.#field(name).value = unitsOf(symbol).price(price);
    this.#form.showOutcome("");
  }

  // Shows the numbers and their labels in the units of the symbol in the form. `typed` contains the numbers that the user
  // has typed before a change of the units, or is left out to keep the text.
  showUnits(typed = {}) {
    const symbol = this.#form.text("symbol");
    const units = unitsOf(symbol);
    const labels = labelsOf(symbol);
    for (const [name, [label, kind]] of Object.entries(NUMBERS)) {
      this.#form.showUnit(name, label, labels[kind], units.hasDecimals);
      if (typed[name] !== undefined) this.#field(name).value = units[kind](typed[name]);
    }
  }

  // Returns the numbers of lots and ticks that the user has typed. A number is undefined for any other text.
  get numbers() {
    return Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, this.#read(name).number]));
  }

  get question() {
    return { side: this.#form.text("side"), amount: this.numbers.amount };
  }

  get #type() {
    return TYPES[this.#form.text("type")];
  }

  #field(name) {
    return this.#form.element.elements[name];
  }

  #read(name) {
    const [label, kind] = NUMBERS[name];
    const units = unitsOf(this.#form.text("symbol"));
    const text = this.#form.text(name);
    const { number, problem } = kind === "price" ? units.readPrice(text) : units.readAmount(text, MOST);
    return { number, problem: problem?.replace(/^(Amount|Price)/, label) };
  }

  #showFields() {
    for (const name of ["price", "stop_price", "display"]) {
      this.#field(name).parentElement.hidden = !this.#type.fields.includes(name);
    }
    this.#form.showOutcome("");
  }

  #suggestId() {
    this.#typed = false;
    find("order-id").value = `web-${newKey().slice(0, 8)}`;
  }

  async #changeSymbol() {
    const symbol = this.#form.text("symbol");
    this.showUnits();
    if (symbol === "" || instrumentOf(symbol) !== undefined) return;
    try {
      await loadInstrument(symbol);
    } catch {
      // Without a response, #order requests the instrument again.
    }
  }

  // Ignores a second click during the first request. After the request, the field of the amount is empty.
  async #submit() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const order = await this.#order();
      if (order) this.#show(await this.#send(order));
    } catch (error) {
      this.#form.showError(error);
      if (error.problem?.code === "duplicate_order" && !this.#typed) this.#suggestId();
    } finally {
      this.#busy = false;
    }
  }

  // Returns the fields of the order, or null after a problem.
  async #order() {
    const form = this.#form;
    const { fields, terms } = this.#type;
    const symbol = form.text("symbol");
    if (symbol !== "") await checkInstrument(symbol);
    const order = { order_id: idInBody(form.text("order_id")), symbol, side: form.text("side"), ...terms };
    for (const name of ["amount", ...fields]) {
      const { number, problem } = this.#read(name);
      if (problem) return form.showProblem(problem, name) ?? null;
      order[name] = number;
    }
    const owner = form.text("owner");
    return owner === "" ? order : { ...order, owner };
  }

  // Sends an order. If there was no response to an equal order, sends it with the same key again.
  async #send(order) {
    const body = write(order);
    const key = this.#unanswered.get(body) ?? newKey();
    this.#unanswered.set(body, key);
    try {
      const execution = await sendChange("POST", "submissions", order, key);
      this.#unanswered.delete(body);
      return execution;
    } catch (error) {
      if (error instanceof NoResponse) throw new Error(`${error.message} ${TRY_AGAIN}`);
      this.#unanswered.delete(body);
      throw error;
    }
  }

  #show(execution) {
    const text = `Order ${idText(execution.order_id)}: ${summary(execution)}.`;
    const isCanceled = execution.canceled === execution.requested;
    this.#suggestId();
    if (isCanceled) {
      this.#form.showProblem(text);
      return;
    }
    find("order-amount").value = "";
    find("order-amount").focus();
    this.#form.showOutcome(text);
    this.onSubmitted(execution.symbol);
  }
}
