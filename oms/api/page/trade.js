// The trade form. It shows a quote while the user types, and sends the total of the quote as the bound of the trade.

import { confirmed, details } from "./confirm.js";
import { find, symbolName } from "./elements.js";
import { divided } from "./exact.js";
import { Form } from "./fields.js";
import { checkInstrument, get, newKey, sendChange } from "./server.js";
import { instrumentOf, labelsOf, unitsOf } from "./units.js";

export class TradeForm {
  #form = new Form(find("trade"));
  #symbol = null;
  #request = null;
  #pending = false; // true if the input has changed since the last request
  #rejected = false; // true while the form shows the problem of the quote, which is then not shown below the amount

  constructor(onQuote) {
    this.onQuote = onQuote;
    find("trade").addEventListener("input", () => { this.#clearProblem(); this.requote(); });
    find("trade").addEventListener("submit", (event) => { event.preventDefault(); this.#review(); });
  }

  use(symbol) {
    this.#symbol = symbol;
    this.#clearProblem();
    this.#show(null, "");
    this.requote();
  }

  // Shows the amount, its label, and the quote in the units of the symbol. `amount` is the number of lots that the user has
  // typed before a change of the units, or undefined to keep the text.
  showUnits(amount) {
    const units = unitsOf(this.#symbol);
    this.#form.showUnit("amount", "Amount", labelsOf(this.#symbol).amount, units.hasDecimals);
    if (amount !== undefined) find("trade-amount").value = units.amount(amount);
    this.requote();
  }

  // Returns the number of lots that the user has typed, or undefined for any other text.
  get amount() {
    return unitsOf(this.#symbol).readAmount(this.#form.text("amount")).number;
  }

  get question() {
    return { side: this.#form.text("side"), amount: this.amount };
  }

  // Requests a new quote. There is at most one request at a time, and the last request is for the latest input.
  async requote() {
    this.#pending = true;
    while (this.#pending && !this.#request) {
      this.#pending = false; // true if the input has changed since the last request
      this.#request = this.#quote();
      await this.#request;
      this.#request = null;
    }
  }

  async #quote() {
    const query = this.#query();
    if (!query) return this.#show(null, this.#offLot());
    try {
      const quote = await get("quote", query);
      if (query.symbol === this.#symbol) this.#show(quote, "");
    } catch (error) {
      if (query.symbol === this.#symbol) this.#show(null, error.message);
    }
  }

  #query() {
    const { amount } = this;
    const isKnown = instrumentOf(this.#symbol) !== undefined; // if not, the units of the amount are unknown too
    return amount && isKnown ? { symbol: this.#symbol, side: this.#form.text("side"), amount } : null;
  }

  // Returns the problem of an amount between two lots. Other text may still become an amount while the user types.
  #offLot() {
    const { problem = "" } = unitsOf(this.#symbol).readAmount(this.#form.text("amount"));
    return problem.includes("between") ? problem : "";
  }

  #show(quote, problem) {
    find("quote").hidden = !quote;
    if (quote) details(find("quote"), pairsOf(quote));
    if (this.#rejected && problem === "") this.#clearProblem();
    find("quote-problem").textContent = this.#rejected ? "" : problem;
    if (this.#rejected) find("trade-problem").textContent = problem;
    this.onQuote(quote);
  }

  // Clears the problem, because the book, the amount, or the symbol has changed.
  #clearProblem() {
    this.#rejected = false;
    this.#form.showOutcome("");
  }

  // Returns true if the instrument is still the same. Otherwise, shows the problem.
  async #isUnchanged(symbol, instrument) {
    try {
      await checkInstrument(symbol, instrument);
      return true;
    } catch (error) {
      this.#form.showProblem(error.message, "amount");
      return false;
    }
  }

  async #review() {
    const form = this.#form;
    const symbol = this.#symbol;
    if (symbol === null) return form.showProblem("There is no symbol yet. Add an order first.");
    if (!(await this.#isUnchanged(symbol))) return null;
    const instrument = instrumentOf(symbol);
    const units = unitsOf(symbol);
    const { number: amount, problem } = units.readAmount(form.text("amount"));
    if (!amount) return form.showProblem(units.hasDecimals ? problem : "Amount must be a whole number of at least 1.", "amount");
    let quote;
    try {
      quote = await get("quote", { symbol, side: form.text("side"), amount });
    } catch (error) {
      form.showProblem(error.message, "amount");
      this.#rejected = true;
      return this.#show(null, error.message);
    }
    if (!(await this.#isUnchanged(symbol, instrument))) return null;
    const trade = await confirmed(dialogOf(quote, instrument));
    if (trade === null) return null;
    find("trade-amount").value = "";
    await this.requote();
    form.showOutcome(summary(trade));
    return find("trade-amount").focus();
  }
}

function pairsOf(quote) {
  const { symbol, side, amount, total_price, worst_price, best_price, slippage } = quote;
  const units = unitsOf(symbol);
  return [
    [side === "BUY" ? "You pay" : "You receive", units.money(total_price)],
    ["Average price", units.average(total_price, amount, 4)],
    ["Worst price", units.price(worst_price)],
    ["Slippage", `${units.money(slippage)} (${basisPoints(slippage, best_price * amount)} bp)`],
  ];
}

function basisPoints(slippage, atBest) {
  const isTiny = slippage > 0n && 2_000_000n * slippage < atBest; // it would be rounded to 0.00
  return isTiny ? "< 0.01" : divided(10_000n * slippage, atBest, 2);
}

function dialogOf(quote, instrument) {
  const { symbol, side, amount, total_price } = quote;
  const bound = side === "BUY" ? "max_total_price" : "min_total_price";
  const fields = { symbol, side, amount, [bound]: total_price };
  const key = newKey();
  const units = unitsOf(symbol);
  const action = side === "BUY" ? "Buy" : "Sell";
  return {
    title: [`${action} ${units.amount(amount)} `, symbolName(symbol)],
    pairs: pairsOf(quote),
    note: "You trade at this total or a better one. If the book has moved against you, nothing is traded.",
    label: `${action} for ${units.money(total_price)}`,
    send: async () => {
      await checkInstrument(symbol, instrument);
      return sendChange("POST", "trades", fields, key);
    },
  };
}

function summary({ symbol, side, amount, total_price, trade_id }) {
  const units = unitsOf(symbol);
  return `${side === "BUY" ? "Bought" : "Sold"} ${units.amount(amount)} for ${units.money(total_price)} (trade ${trade_id}).`;
}
