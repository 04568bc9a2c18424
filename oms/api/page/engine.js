// The page of a MatchingEngine: the form that submits orders, and the lists of open orders, fills, and trades.

import { find, make } from "./elements.js";
import { EngineBook } from "./engine_book.js";
import { Fills, addOlderFills } from "./fills.js";
import { Frame } from "./frame.js";
import { Ladder } from "./ladder.js";
import { OpenOrders } from "./open_orders.js";
import { OwnerFilter } from "./owner_filter.js";
import { SubmissionForm } from "./submission.js";
import { drawTape } from "./tape.js";

const ladder = new Ladder(({ price }) => form.usePrice(frame.book.symbol, price), {
  hint: "Use this price in the order form",
  isToggle: false,
});
const owners = new OwnerFilter(() => frame.redraw());
const orders = new OpenOrders(owners);
const fills = new Fills(owners);
const form = new SubmissionForm((symbol) => frame.show(symbol));

const frame = new Frame(ladder, {
  firstField: "order-amount",
  form: "order",

  newBook(snapshot) {
    const book = new EngineBook(snapshot);
    showOwner(book.owner);
    showOlderFills(book);
    return book;
  },

  entered({ owner = null }) {
    if (!frame.book) showOwner(owner);
  },

  clear() {
    owners.clear();
    orders.clear();
    fills.clear();
    drawTape([]);
  },

  use(symbol) {
    if (symbol !== null) form.use(symbol);
  },

  get question() {
    return form.question;
  },

  get typed() {
    return form.numbers;
  },

  showUnits(typed) {
    form.showUnits(typed);
  },

  clearNumbers(symbol) {
    fills.clearNumbers(symbol);
  },

  draw(book) {
    owners.draw(book);
    orders.draw(book);
    fills.draw(book);
    drawTape(book.trades);
  },
});

frame.start();

// Shows whose orders the user may see. `owner` is null for the orders of all owners.
function showOwner(owner) {
  form.showOwner(owner === null);
  find("owner").hidden = owner === null;
  find("owner").replaceChildren("Orders of ", make("bdi", { title: owner ?? "" }, owner ?? ""));
  for (const header of document.querySelectorAll(".ladder thead .orders")) header.textContent = owner === null ? "Orders" : "Own orders";
}

async function showOlderFills(book) {
  try {
    await addOlderFills(book);
  } catch {
    return; // without a response, the list begins with the fills of the last trades
  }
  if (book === frame.book) frame.redraw();
}
