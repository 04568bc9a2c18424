// The trade form. It shows a quote while the user types, and sends the total of the quote as the bound of the trade.

import { confirmed, details } from "./confirm.js";
import { find, symbolName } from "./elements.js";
import { divided, grouped, parsed } from "./exact.js";
import { Form } from "./fields.js";
import { get, newKey, sendChange } from "./server.js";

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
    if (!query) return this.#show(null, "");
    try {
      const quote = await get("quote", query);
      if (query.symbol === this.#symbol) this.#show(quote, "");
    } catch (error) {
      if (query.symbol === this.#symbol) this.#show(null, error.message);
    }
  }

  #query() {
    const amount = parsed(this.#form.text("amount"));
    return amount && this.#symbol !== null ? { symbol: this.#symbol, side: this.#form.text("side"), amount } : null;
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

  async #review() {
    const form = this.#form;
    if (this.#symbol === null) return form.showProblem("There is no symbol yet. Add an order first.");
    if (!form.number("amount", "Amount")) return form.showProblem("Amount must be a whole number of at least 1.", "amount");
    let quote;
    try {
      quote = await get("quote", this.#query());
    } catch (error) {
      form.showProblem(error.message, "amount");
      this.#rejected = true;
      return this.#show(null, error.message);
    }
    const trade = await confirmed(dialogOf(quote));
    if (trade === null) return null;
    find("trade-amount").value = "";
    await this.requote();
    form.showOutcome(`${pastOf(trade.side)} ${grouped(trade.amount)} for ${grouped(trade.total_price)} (trade ${trade.trade_id}).`);
    return find("trade-amount").focus();
  }
}

function pairsOf(quote) {
  const { side, amount, total_price, worst_price, best_price, slippage } = quote;
  return [
    [side === "BUY" ? "You pay" : "You receive", grouped(total_price)],
    ["Average price", divided(total_price, amount, 4)],
    ["Worst price", grouped(worst_price)],
    ["Slippage", `${grouped(slippage)} (${basisPoints(slippage, best_price * amount)} bp)`],
  ];
}

function basisPoints(slippage, atBest) {
  const isTiny = slippage > 0n && 2_000_000n * slippage < atBest; // it would be rounded to 0.00
  return isTiny ? "< 0.01" : divided(10_000n * slippage, atBest, 2);
}

function dialogOf(quote) {
  const { symbol, side, amount, total_price } = quote;
  const bound = side === "BUY" ? "max_total_price" : "min_total_price";
  const fields = { symbol, side, amount, [bound]: total_price };
  const key = newKey();
  const action = side === "BUY" ? "Buy" : "Sell";
  return {
    title: [`${action} ${grouped(amount)} `, symbolName(symbol)],
    pairs: pairsOf(quote),
    note: "You trade at this total or a better one. If the book has moved against you, nothing is traded.",
    label: `${action} for ${grouped(total_price)}`,
    send: () => sendChange("POST", "trades", fields, key),
  };
}

function pastOf(side) {
  return side === "BUY" ? "Bought" : "Sold";
}
