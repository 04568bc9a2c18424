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

  // Shows the numbers, their labels, and the quote in the units of the symbol. `typed` contains the numbers that the user
  // has typed before a change of the units, or is left out to keep the text.
  showUnits(typed = {}) {
    const [units, labels] = [unitsOf(this.#symbol), labelsOf(this.#symbol)];
    this.#form.showUnit("amount", "Amount", labels.amount, units.hasDecimals);
    this.#form.showUnit("limit_price", "Limit price", labels.price, units.hasDecimals);
    if (typed.amount !== undefined) find("trade-amount").value = units.amount(typed.amount);
    if (typed.limit_price !== undefined) find("trade-limit").value = units.price(typed.limit_price);
    this.requote();
  }

  // Returns the numbers of lots and ticks that the user has typed. A number is undefined for any other text.
  get numbers() {
    return { amount: this.#amount.number, limit_price: this.#limit.number };
  }

  get question() {
    return { side: this.#form.text("side"), amount: this.#amount.number };
  }

  get #amount() {
    const units = unitsOf(this.#symbol);
    const { number, problem } = units.readAmount(this.#form.text("amount"));
    return number ? { number } : { problem: units.hasDecimals ? problem : "Amount must be a whole number of at least 1." };
  }

  // The limit price is neither a number nor a problem if the field is empty.
  get #limit() {
    const text = this.#form.text("limit_price");
    if (text.trim() === "") return {};
    const { number, problem } = unitsOf(this.#symbol).readPrice(text);
    return number ? { number } : { problem: (problem ?? "Price must be at least 1.").replace(/^Price/, "Limit price") };
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
    if (!query) return this.#show(null, this.#betweenUnits());
    try {
      const quote = await get("quote", query);
      if (query.symbol === this.#symbol) this.#show(quote, "");
    } catch (error) {
      if (query.symbol === this.#symbol) this.#show(null, this.#messageOf(error));
    }
  }

  #query() {
    const isKnown = instrumentOf(this.#symbol) !== undefined; // if not, the units of the numbers are unknown too
    if (!isKnown || this.#amount.problem || this.#limit.problem) return null;
    return this.#fields();
  }

  #fields() {
    const [{ number: amount }, { number: limit_price }] = [this.#amount, this.#limit];
    const fields = { symbol: this.#symbol, side: this.#form.text("side"), amount };
    return limit_price === undefined ? fields : { ...fields, limit_price };
  }

  // Returns the problem of a number between two lots or two ticks. Other text may still become a number while the user types.
  #betweenUnits() {
    return [this.#amount, this.#limit].map(({ problem = "" }) => problem).find((problem) => problem.includes("between")) ?? "";
  }

  #messageOf(error) {
    const isShort = error.problem?.code === "insufficient_liquidity" && this.#limit.number;
    return isShort ? error.message.replace(/\.$/, " within the limit price.") : error.message;
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
    if (this.#amount.problem) return form.showProblem(this.#amount.problem, "amount");
    if (this.#limit.problem) return form.showProblem(this.#limit.problem, "limit_price");
    const fields = this.#fields();
    let quote;
    try {
      quote = await get("quote", fields);
    } catch (error) {
      form.showProblem(this.#messageOf(error), error.problem?.field ?? "amount");
      this.#rejected = true;
      return this.#show(null, this.#messageOf(error));
    }
    if (!(await this.#isUnchanged(symbol, instrument))) return null;
    const trade = await confirmed(dialogOf(quote, fields, instrument));
    if (trade === null) return null;
    for (const id of ["trade-amount", "trade-limit"]) find(id).value = "";
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

// Returns the dialog for a trade. `fields` contains what the user has typed.
function dialogOf(quote, fields, instrument) {
  const { symbol, side, amount, limit_price } = fields;
  const { total_price } = quote;
  const bound = side === "BUY" ? "max_total_price" : "min_total_price";
  const key = newKey();
  const units = unitsOf(symbol);
  const limit = limit_price === undefined ? [] : [["Limit price", units.price(limit_price)]];
  const action = side === "BUY" ? "Buy" : "Sell";
  return {
    title: [`${action} ${units.amount(amount)} `, symbolName(symbol)],
    pairs: [...pairsOf(quote), ...limit],
    note: "You trade at this total or a better one. If the book has moved against you, nothing is traded.",
    label: `${action} for ${units.money(total_price)}`,
    send: async () => {
      await checkInstrument(symbol, instrument);
      return sendChange("POST", "trades", { ...fields, [bound]: total_price }, key);
    },
  };
}

function summary({ symbol, side, amount, total_price, trade_id }) {
  const units = unitsOf(symbol);
  return `${side === "BUY" ? "Bought" : "Sold"} ${units.amount(amount)} for ${units.money(total_price)} (trade ${trade_id}).`;
}
