// The book of one symbol in a matching engine: the visible amount at each price, and the orders and fills that the user
// may see. It is updated only by the messages of the stream.

import { Gap } from "./book.js";
import { idText } from "./ids.js";

const LONGEST_TAPE = 20;
const MOST_FILLS = 1_000;

export const OPPOSITE = { BUY: "SELL", SELL: "BUY" };

// The sides of the levels are those of the trades that fill them, so bids are on the SELL side. The sides of orders and
// fills are the submitter's, so a BUY order is a bid.
export class EngineBook {
  #levels = { BUY: new Map(), SELL: new Map() };
  #ladders = {}; // by side, since the last change

  constructor(snapshot) {
    this.symbol = snapshot.symbol;
    this.sequence = snapshot.sequence;
    this.owner = snapshot.owner; // null if the user sees the orders of all owners
    this.orders = new Map(); // by the texts of their ids, oldest first
    this.trades = snapshot.trades.reverse();
    this.fills = this.trades.flatMap(fillsOf);
    for (const { side, price, amount } of snapshot.levels) this.#levels[side].set(price, amount);
    for (const order of snapshot.orders) this.#update(order);
  }

  // Applies a change. Throws a Gap if an earlier message was lost.
  apply(message) {
    if (message.previous !== this.sequence) throw new Gap();
    const { sequence, time } = message;
    this.sequence = sequence;
    this.#ladders = {};
    for (const change of message.changes) this.#change(change);
    for (const order of message.orders) this.#update(order);
    const trades = message.trades.map((trade) => ({ ...trade, sequence, time })).reverse();
    this.trades = [...trades, ...this.trades].slice(0, LONGEST_TAPE);
    this.#addFills([...trades.flatMap(fillsOf), ...this.fills]);
  }

  // Returns the price levels of a side, best first. The orders of a level are those that the user may see. The array is
  // the same until the next change.
  ladder(side) {
    return this.#ladders[side] ??= this.#sorted(side);
  }

  #sorted(side) {
    const sign = side === "BUY" ? 1 : -1;
    const orders = this.#ordersAt(OPPOSITE[side]);
    return [...this.#levels[side]]
      .map(([price, amount]) => ({ side, price, amount, orders: { size: orders.get(price) ?? 0 } }))
      .sort((a, b) => (a.price < b.price ? -sign : sign));
  }

  // Returns the id of the oldest trade of the snapshot if there are perhaps older ones, and null otherwise.
  get firstTrade() {
    return this.trades.length < LONGEST_TAPE ? null : this.trades.at(-1).trade_id;
  }

  // Adds the fills of trades that are older than the snapshot.
  addOlder(trades) {
    this.#addFills([...this.fills, ...trades.reverse().flatMap(fillsOf)]);
  }

  #addFills(fills) {
    this.fills = fills.slice(0, MOST_FILLS);
  }

  #change({ side, price, change }) {
    const amount = (this.#levels[side].get(price) ?? 0n) + change;
    if (amount < 0n) throw new Gap();
    if (amount === 0n) this.#levels[side].delete(price);
    else this.#levels[side].set(price, amount);
  }

  #update(order) {
    const id = idText(order.order_id);
    if (order.status === "CLOSED") this.orders.delete(id);
    else this.orders.set(id, { ...order, id });
  }

  // Returns how many orders with this side rest at each price.
  #ordersAt(side) {
    const numbers = new Map();
    for (const order of this.orders.values()) {
      if (order.side !== side || order.resting_price === null) continue;
      numbers.set(order.resting_price, (numbers.get(order.resting_price) ?? 0) + 1);
    }
    return numbers;
  }
}

// Returns the fills of a trade from the view of each order that the user may see, newest first. The ids of all other
// orders are null.
function fillsOf(trade) {
  const { trade_id, symbol, time, side, taker, taker_owner } = trade;
  return trade.fills.flatMap(({ amount, price, maker, maker_owner }, at) => [
    { role: "Maker", id: maker, owner: maker_owner, side: OPPOSITE[side] },
    { role: "Taker", id: taker, owner: taker_owner, side },
  ].filter(({ id }) => id !== null).map((fill) => ({
    ...fill, symbol, time, amount, price, id: idText(fill.id), key: `${trade_id} ${at} ${fill.role}`,
  }))).reverse();
}
