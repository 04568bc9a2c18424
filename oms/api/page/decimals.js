// The instrument of a symbol: it converts ticks and lots to decimal texts and back, exactly, like oms.Instrument.

import { divided, fixed, grouped, parsed, parsedDecimal } from "./exact.js";

export const MOST = 2n ** 63n - 1n; // of the amount and the price of an order
const LONGEST_CURRENCY = 8; // letters

// Shows and reads whole numbers of ticks and lots, for a symbol without an instrument.
export class TicksAndLots {
  hasDecimals = false;

  price(ticks) { return grouped(ticks); }
  amount(lots) { return grouped(lots); }
  total(total) { return grouped(total); }
  money(total) { return grouped(total); }
  average(total, lots, places) { return divided(total, lots, places); }
  readPrice(text) { return this.#read(text, "Price"); }
  readAmount(text) { return this.#read(text, "Amount"); }

  #read(text, label) {
    const number = parsed(text);
    return number === null ? { problem: `${label} must be a whole number, such as 1,200.` } : { number };
  }
}

// A tick size or a lot size, as an integer and the number of its decimal places.
class Size {
  constructor(text) {
    const [whole, fraction = ""] = text.split(".");
    this.step = BigInt(whole + fraction);
    this.places = fraction.length;
  }
}

export class Decimals {
  hasDecimals = true;
  #tick;
  #lot;
  #places; // of a price

  constructor({ tick_size, lot_size, name, currency, price_decimals }) {
    this.#tick = new Size(tick_size);
    this.#lot = new Size(lot_size);
    this.#places = price_decimals === null ? this.#tick.places : Number(price_decimals);
    this.currency = currency === null ? "" : shortened(currency);
    const unit = this.currency ? ` ${this.currency}` : "";
    this.description = `${name === null ? "" : `${name}: `}1 tick = ${tick_size}${unit}, 1 lot = ${lot_size}`;
  }

  price(ticks) {
    return fixed(this.#scaled(ticks * this.#tick.step), this.#places);
  }

  amount(lots) {
    return fixed(lots * this.#lot.step, this.#lot.places);
  }

  // Returns a total with as many decimal places as a price, and with more only if it needs them.
  total(total) {
    const surplus = this.#lot.places;
    const text = fixed(this.#scaled(total * this.#tick.step * this.#lot.step), this.#places + surplus);
    const end = text.length - surplus;
    return (text.slice(0, end) + text.slice(end).replace(/0+$/, "")).replace(/\.$/, "");
  }

  // Returns a total with the currency.
  money(total) {
    return this.currency ? `${this.total(total)} ${this.currency}` : this.total(total);
  }

  average(total, lots) {
    return divided(total * this.#tick.step, lots * 10n ** BigInt(this.#tick.places), this.#places + 2);
  }

  // Returns the number of ticks as `number`, or the reason why the text is not the price of an order as `problem`.
  readPrice(text) {
    return read(text, "Price", "ticks", this.#tick, (ticks) => this.price(ticks), MOST);
  }

  // Returns the number of lots as `number`, or the reason why the text is not an amount up to `most` as `problem`.
  readAmount(text, most) {
    return read(text, "Amount", "lots", this.#lot, (lots) => this.amount(lots), most);
  }

  #scaled(value) {
    return value * 10n ** BigInt(this.#places - this.#tick.places);
  }
}

function read(text, label, unit, size, show, most) {
  const typed = parsedDecimal(text);
  if (!typed) return { problem: `${label} must be a number, such as ${show(100n)}.` };
  const places = Math.max(size.places, typed.places);
  const value = typed.digits * 10n ** BigInt(places - typed.places);
  const step = size.step * 10n ** BigInt(places - size.places);
  const number = value / step;
  if (value % step) return { problem: `${text.trim()} is between the ${unit} ${show(number)} and ${show(number + 1n)}.` };
  if (number === 0n) return { problem: `${label} must be at least ${show(1n)}.` };
  if (most !== undefined && number > most) return { problem: `${label} must be at most ${show(most)}.` };
  return { number };
}

function shortened(text) {
  const letters = [...text];
  return letters.length > LONGEST_CURRENCY ? `${letters.slice(0, LONGEST_CURRENCY).join("")}…` : text;
}
