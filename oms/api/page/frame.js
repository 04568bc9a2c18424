// What all pages have in common: the symbols, the ladder, the units, the login, and the state of the connection.

import { Charts } from "./charts.js";
import { find, labeled } from "./elements.js";
import { grouped } from "./exact.js";
import { askForKey, onSignOut, showSignOut } from "./key.js";
import { Stream } from "./stream.js";
import { chosenSymbol, drawSymbols, hashOf } from "./symbols.js";
import { instrumentOf, labelsOf, showsTicks, toggleTicks } from "./units.js";

const STATES = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", rejected: "Not connected", locked: "Locked" };

// The forms and lists of a page are its parts:
// - `firstField`: the id of the field to which the keyboard can skip
// - `newBook(snapshot)` returns the book of a symbol
// - `clear()` empties the lists
// - `use(symbol)` shows another symbol in the forms, or none if the symbol is null
// - `received(book)`, if present, is called after each message of the stream
// - `draw(book)` shows the lists
// - `typed` contains the numbers in the forms, and `showUnits(typed)` shows them in the present units. Without `typed`, the
//   text in the forms stays.
// - `clearNumbers(symbol)`, if present, empties the lists whose numbers have other units now
// - `question` contains the side and the amount of lots in the form `form`, which the cost curve marks
// - `entered(session)`, if present, is called with the session after the page has started or the user has signed in
export class Frame {
  #ladder;
  #charts;
  #parts;
  #stream;
  #chosen = chosenSymbol();
  #symbols = [];
  #drawing = false;
  book = null;

  constructor(ladder, parts) {
    this.#ladder = ladder;
    this.#parts = parts;
    this.#charts = new Charts(find(parts.form), () => parts.question);
  }

  start() {
    this.#stream = new Stream({
      newBook: this.#parts.newBook,
      onBook: (book) => this.#onBook(book),
      onSymbols: (symbols) => this.#onSymbols(symbols),
      onState: (...state) => this.#onState(...state),
    });
    askForKey(() => this.#enter());
    onSignOut(() => this.#enter());
    find("reconnect").addEventListener("click", () => this.#stream.open(this.#chosen));
    find("skip").addEventListener("click", (event) => {
      event.preventDefault(); // the part of the URL after # is the symbol, so the link must not change it
      find(this.#parts.firstField).focus();
    });
    find("units-switch").addEventListener("click", () => this.#switchUnits());
    document.addEventListener("oms:units", () => this.#showUnits());
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("oms:locked", () => { if (this.#stream.state === "live") this.#stream.open(this.#chosen); });
    this.#enter();
  }

  // Shows the symbol of a new order.
  show(symbol) {
    if (symbol === this.#chosen) this.#stream.refresh();
    else location.hash = hashOf(symbol);
  }

  // Starts again with an empty page, because another person may use it after a login.
  async #enter() {
    this.#symbols = [];
    find("no-symbols").hidden = true; // until the server says that there are none
    this.#choose(this.#chosen);
    const session = await showSignOut();
    this.#parts.entered?.(session);
  }

  #choose(symbol) {
    this.#chosen = symbol;
    this.book = null;
    document.title = symbol === null ? "oms" : `${symbol} · oms`;
    find("symbol").textContent = symbol ?? "No symbol chosen";
    find("book").hidden = symbol === null;
    find("no-orders-at-all").hidden = true;
    this.#ladder.clear();
    this.#charts.clear();
    this.#parts.clear();
    drawSymbols(this.#symbols, symbol);
    this.#parts.use(symbol);
    this.#showUnits();
    find("book").setAttribute("aria-busy", "true");
    this.#stream.open(symbol);
  }

  // Shows all numbers in the other units. The numbers that the user has typed stay the same prices and amounts.
  #switchUnits() {
    const { typed } = this.#parts;
    toggleTicks();
    this.#parts.showUnits(typed);
    this.#charts.redraw();
  }

  #showUnits() {
    const instrument = this.#chosen === null ? null : instrumentOf(this.#chosen);
    find("units").hidden = !instrument;
    find("units-description").textContent = instrument?.description ?? "";
    find("units-switch").textContent = showsTicks() ? "Show decimals" : "Show ticks and lots";
    find("total-name").textContent = labeled("Total", labelsOf(this.#chosen).money);
    find("trades").replaceChildren();
    this.#parts.clearNumbers?.(this.#chosen);
    this.#parts.showUnits();
    this.#ladder.redraw();
    if (this.book) this.#draw();
  }

  #follow() {
    const symbol = chosenSymbol();
    if (symbol !== null && symbol !== this.#chosen) this.#choose(symbol);
  }

  #onBook(book) {
    this.book = book;
    this.#parts.received?.(book);
    this.redraw();
  }

  // Draws the book again, at most once per frame of the screen.
  redraw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#drawing = false;
    const { book } = this;
    if (!book) return;
    this.#ladder.draw(book);
    this.#charts.draw(book);
    this.#parts.draw(book);
    find("book").removeAttribute("aria-busy");
    find("sequence").textContent = `#${grouped(book.sequence)}`;
  }

  #onSymbols(symbols) {
    this.#symbols = symbols;
    drawSymbols(symbols, this.#chosen);
    find("no-symbols").hidden = find("symbols").childElementCount > 0;
    find("no-orders-at-all").hidden = this.#chosen !== null || symbols.length > 0;
    if (this.#chosen === null && symbols.length) {
      history.replaceState(null, "", hashOf(symbols[0]));
      this.#choose(symbols[0]);
    }
  }

  #onState(next, pause, reason) {
    const rejection = find("rejection");
    const state = next === "connecting" && !rejection.hidden ? "rejected" : next; // the reason remains visible during a retry
    if (next !== "connecting" && rejection.textContent !== (reason ?? "")) rejection.textContent = reason ?? "";
    rejection.hidden = state !== "rejected";
    const stale = state !== "live" && this.book !== null;
    document.body.dataset.state = state === "rejected" ? "reconnecting" : state; // both states look the same
    document.body.classList.toggle("stale", stale);
    find("state").textContent = STATES[state];
    find("stale").textContent = stale ? "This data is stale." : "";
    find("retry").textContent = pause === undefined ? "" : `Retry in ${Math.ceil(pause / 1000)} s.`;
    find("reconnect").hidden = !["reconnecting", "rejected"].includes(state);
    const locked = state === "locked";
    if (locked && find("login").hidden) find("confirm").close();
    find("login").hidden = !locked;
    find("content").hidden = locked;
    if (locked) find("sign-out").hidden = true;
    if (locked) find("api-key").focus();
  }
}
