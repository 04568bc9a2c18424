// The trade form: what an amount costs is shown while it is typed, and is the bound of the trade.

import { confirmed, facts } from "./confirm.js";
import { find, symbolName } from "./elements.js";
import { asked, divided, grouped } from "./exact.js";
import { Form } from "./fields.js";
import { ask, change, newKey } from "./server.js";

const LARGEST = 2n ** 53n - 1n; // of what the server takes as a bound

export class TradeForm {
  #form = new Form(find("trade"));
  #symbol = null;
  #asking = null;
  #again = false;
  #refused = false; // whether the form already shows the error of the quote, which is then shown nowhere else

  constructor(onQuote) {
    this.onQuote = onQuote;
    find("trade").addEventListener("input", () => { this.#accept(); this.requote(); });
    find("trade").addEventListener("submit", (event) => { event.preventDefault(); this.#review(); });
  }

  use(symbol) {
    this.#symbol = symbol;
    this.#accept();
    this.#show(null, "");
    this.requote();
  }

  // Asks for the cost again; one question at a time, and the last one counts.
  async requote() {
    this.#again = true;
    while (this.#again && !this.#asking) {
      this.#again = false;
      this.#asking = this.#ask();
      await this.#asking;
      this.#asking = null;
    }
  }

  async #ask() {
    const question = this.#question();
    if (!question) return this.#show(null, "");
    try {
      const quote = await ask("quote", question);
      if (question.symbol === this.#symbol) this.#show(quote, "");
    } catch (error) {
      if (question.symbol === this.#symbol) this.#show(null, error.message);
    }
  }

  #question() {
    const amount = asked(this.#form.text("amount"));
    return amount && this.#symbol !== null ? { symbol: this.#symbol, side: this.#form.text("side"), amount } : null;
  }

  #show(quote, words) {
    find("quote").hidden = !quote;
    if (quote) facts(find("quote"), pairsOf(quote));
    if (this.#refused && words === "") this.#accept();
    find("quote-problem").textContent = this.#refused ? "" : words;
    if (this.#refused) find("trade-problem").textContent = words;
    this.onQuote(quote);
  }

  // The error is no longer true: the book has moved, or the amount or the symbol is another one.
  #accept() {
    this.#refused = false;
    this.#form.say("");
  }

  async #review() {
    const form = this.#form;
    if (this.#symbol === null) return form.complain("There is no symbol to trade yet.");
    if (!form.number("amount", "Amount")) return form.complain("Amount must be a whole number from 1 up.", "amount");
    let quote;
    try {
      quote = await ask("quote", this.#question());
    } catch (error) {
      form.complain(error.message, "amount");
      this.#refused = true;
      return this.#show(null, error.message);
    }
    if (quote.total_price > LARGEST) {
      return form.complain(`A trade above ${grouped(LARGEST)} in total cannot be bound to its price here.`, "amount");
    }
    const trade = await confirmed(dialogOf(quote));
    if (trade === null) return null;
    find("trade-amount").value = "";
    await this.requote();
    form.say(`${pastOf(trade.side)} ${grouped(trade.amount)} for ${grouped(trade.total_price)} (trade ${trade.trade_id}).`);
    return find("trade-amount").focus();
  }
}

function pairsOf(quote) {
  const { side, amount, total_price, worst_price, best_price, slippage } = quote;
  return [
    [side === "BUY" ? "You pay" : "You get", grouped(total_price)],
    ["Average price", divided(total_price, amount, 4)],
    ["Worst price", grouped(worst_price)],
    ["Slippage", `${grouped(slippage)} (${basisPoints(slippage, best_price * amount)} bp)`],
  ];
}

function basisPoints(slippage, atBest) {
  const tooSmall = slippage > 0n && 2_000_000n * slippage < atBest; // it would round to 0.00
  return tooSmall ? "< 0.01" : divided(10_000n * slippage, atBest, 2);
}

function dialogOf(quote) {
  const { symbol, side, amount, total_price } = quote;
  const bound = side === "BUY" ? "max_total_price" : "min_total_price";
  const fields = { symbol, side, amount, [bound]: total_price };
  const key = newKey();
  const verb = side === "BUY" ? "Buy" : "Sell";
  return {
    title: [`${verb} ${grouped(amount)} `, symbolName(symbol)],
    pairs: pairsOf(quote),
    note: "At this price or a better one. If the book moves against it, nothing is traded.",
    verb: `${verb} for ${grouped(total_price)}`,
    act: () => change("POST", "trades", fields, key),
  };
}

function pastOf(side) {
  return side === "BUY" ? "Bought" : "Sold";
}
