// The page of an OrderManagement: the forms that trade and add orders, and the lists of resting orders and trades.

import { Book } from "./book.js";
import { Frame } from "./frame.js";
import { Ladder } from "./ladder.js";
import { OrderForm } from "./orders.js";
import { RestingOrders } from "./resting_orders.js";
import { drawTape } from "./tape.js";
import { TradeForm } from "./trade.js";

const ladder = new Ladder(chooseLevel);
const orders = new RestingOrders(() => chooseLevel(null));
const trade = new TradeForm((quote) => ladder.mark(quote));
const order = new OrderForm((symbol) => {
  frame.show(symbol);
  frame.redraw(); // the order is marked as the user's own
});

const frame = new Frame(ladder, {
  firstField: "trade-amount",
  form: "trade",
  newBook: (snapshot) => new Book(snapshot),

  clear() {
    orders.clear();
    drawTape([]);
    chooseLevel(null);
  },

  use(symbol) {
    trade.use(symbol);
    if (symbol !== null) order.use(symbol);
  },

  get question() {
    return trade.question;
  },

  get typed() {
    return [trade.numbers, order.numbers];
  },

  showUnits(typed = []) {
    const [traded, numbers] = typed;
    trade.showUnits(traded);
    order.showUnits(numbers);
  },

  received(book) {
    order.suggestAbove(book.largestId);
  },

  draw(book) {
    orders.draw(book);
    drawTape(book.trades);
    trade.requote();
  },
});

frame.start();

function chooseLevel(level) {
  orders.choose(level);
  ladder.choose(level);
  if (frame.book) orders.draw(frame.book);
}
