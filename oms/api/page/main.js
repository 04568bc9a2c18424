// The page: what the stream tells is drawn, and what is chosen is streamed.

import { find } from "./elements.js";
import { grouped } from "./exact.js";
import { askForKey, offerSignOut, onSignOut } from "./key.js";
import { Ladder } from "./ladder.js";
import { OrderForm, RestingOrders } from "./orders.js";
import { Stream } from "./stream.js";
import { chosenSymbol, drawSymbols, hashOf } from "./symbols.js";
import { drawTape } from "./tape.js";
import { TradeForm } from "./trade.js";

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", refused: "Not connected", locked: "Locked" };

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
  event.preventDefault(); // behind the # stands the symbol
  find("trade-amount").focus();
});
addEventListener("hashchange", follow);
document.addEventListener("oms:locked", () => { if (stream.state === "live") stream.open(chosen); });
enter();

// Begins anew, with nothing of before: the one who looks may be another.
function enter() {
  onSymbols([]);
  choose(chosen);
  offerSignOut();
}

function choose(symbol) {
  chosen = symbol;
  book = null;
  document.title = symbol === null ? "oms" : `${symbol} · oms`;
  find("symbol").textContent = symbol ?? "No symbol";
  find("book").hidden = symbol === null;
  find("nothing").hidden = true;
  ladder.clear();
  orders.clear();
  drawTape([]);
  chooseLevel(null);
  drawSymbols(symbols, chosen);
  trade.use(symbol);
  if (symbol !== null) order.use(symbol);
  find("book").setAttribute("aria-busy", "true");
  stream.open(symbol);
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
  order.above(book.largestId);
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

function onSymbols(found) {
  symbols = found;
  drawSymbols(symbols, chosen);
  find("nothing").hidden = chosen !== null || found.length > 0;
  if (chosen === null && found.length) {
    history.replaceState(null, "", hashOf(found[0]));
    choose(found[0]);
  }
}

function onState(next, pause, reason) {
  const refusal = find("refusal");
  const state = next === "connecting" && !refusal.hidden ? "refused" : next; // the reason stays during the next try
  if (next !== "connecting" && refusal.textContent !== (reason ?? "")) refusal.textContent = reason ?? "";
  refusal.hidden = state !== "refused";
  const stale = state !== "live" && book !== null;
  document.body.dataset.state = state === "refused" ? "reconnecting" : state; // looks the same
  document.body.classList.toggle("stale", stale);
  find("state").textContent = WORDS[state];
  find("stale").textContent = stale ? "What is shown is stale." : "";
  find("retry").textContent = pause === undefined ? "" : `Next try in ${Math.ceil(pause / 1000)} s.`;
  find("reconnect").hidden = !["reconnecting", "refused"].includes(state);
  const locked = state === "locked";
  if (locked && find("door").hidden) find("confirm").close();
  find("door").hidden = !locked;
  find("content").hidden = locked;
  if (locked) find("sign-out").hidden = true;
  if (locked) find("api-key").focus();
}
