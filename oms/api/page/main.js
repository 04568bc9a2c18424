// The page, which connects the stream, the ladder, the lists, and the forms.

import { find, labeled } from "./elements.js";
import { grouped } from "./exact.js";
import { askForKey, showSignOut, onSignOut } from "./key.js";
import { Ladder } from "./ladder.js";
import { OrderForm, RestingOrders } from "./orders.js";
import { Stream } from "./stream.js";
import { chosenSymbol, drawSymbols, hashOf } from "./symbols.js";
import { drawTape } from "./tape.js";
import { TradeForm } from "./trade.js";
import { instrumentOf, labelsOf, showsTicks, toggleTicks } from "./units.js";

const STATES = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", rejected: "Not connected", locked: "Locked" };

let book = null;
let chosen = chosenSymbol();
let symbols = [];
let drawing = false;

const stream = new Stream({ onBook, onSymbols, onState });
const ladder = new Ladder(chooseLevel);
const orders = new RestingOrders(() => chooseLevel(null));
const trade = new TradeForm((quote) => ladder.mark(quote));
const order = new OrderForm(added);

askForKey(enter);
onSignOut(enter);
find("reconnect").addEventListener("click", () => stream.open(chosen));
find("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the part of the URL after # is the symbol, so the link must not change it
  find("trade-amount").focus();
});
find("units-switch").addEventListener("click", switchUnits);
document.addEventListener("oms:units", () => showUnits());
addEventListener("hashchange", follow);
document.addEventListener("oms:locked", () => { if (stream.state === "live") stream.open(chosen); });
enter();

// Starts again with an empty page, because another person may use it after a login.
function enter() {
  onSymbols([]);
  choose(chosen);
  showSignOut();
}

function choose(symbol) {
  chosen = symbol;
  book = null;
  document.title = symbol === null ? "oms" : `${symbol} · oms`;
  find("symbol").textContent = symbol ?? "No symbol chosen";
  find("book").hidden = symbol === null;
  find("no-orders-at-all").hidden = true;
  ladder.clear();
  orders.clear();
  drawTape([]);
  chooseLevel(null);
  drawSymbols(symbols, chosen);
  trade.use(symbol);
  if (symbol !== null) order.use(symbol);
  showUnits();
  find("book").setAttribute("aria-busy", "true");
  stream.open(symbol);
}

// Shows all numbers in the other units. The numbers that the user has typed stay the same prices and amounts.
function switchUnits() {
  const amount = trade.amount;
  const numbers = order.numbers;
  toggleTicks();
  trade.showUnits(amount);
  order.showUnits(numbers);
}

function showUnits() {
  const instrument = chosen === null ? null : instrumentOf(chosen);
  find("units").hidden = !instrument;
  find("units-description").textContent = instrument?.description ?? "";
  find("units-switch").textContent = showsTicks() ? "Show decimals" : "Show ticks and lots";
  find("total-name").textContent = labeled("Total", labelsOf(chosen).money);
  find("trades").replaceChildren();
  trade.showUnits();
  order.showUnits();
  ladder.redraw();
  if (book) draw();
}

function follow() {
  const symbol = chosenSymbol();
  if (symbol !== null && symbol !== chosen) choose(symbol);
}

function added(symbol) {
  if (symbol === chosen) stream.refresh();
  else location.hash = hashOf(symbol);
}

function chooseLevel(level) {
  orders.choose(level);
  ladder.choose(level);
  if (book) orders.draw(book);
}

function onBook(next) {
  book = next;
  order.suggestAbove(book.largestId);
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

function draw() {
  drawing = false;
  if (!book) return;
  ladder.draw(book);
  orders.draw(book);
  drawTape(book.trades);
  find("book").removeAttribute("aria-busy");
  find("sequence").textContent = `#${grouped(book.sequence)}`;
  trade.requote();
}

function onSymbols(received) {
  symbols = received;
  drawSymbols(symbols, chosen);
  find("no-orders-at-all").hidden = chosen !== null || symbols.length > 0;
  if (chosen === null && symbols.length) {
    history.replaceState(null, "", hashOf(symbols[0]));
    choose(symbols[0]);
  }
}

function onState(next, pause, reason) {
  const rejection = find("rejection");
  const state = next === "connecting" && !rejection.hidden ? "rejected" : next; // the reason remains visible during a retry
  if (next !== "connecting" && rejection.textContent !== (reason ?? "")) rejection.textContent = reason ?? "";
  rejection.hidden = state !== "rejected";
  const stale = state !== "live" && book !== null;
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
