// The resting orders of one symbol, updated only by the messages of the stream.

// The error after a lost message. The book is then wrong and must be replaced.
export class Gap extends Error {}

export class Book {
  #ladders = {}; // by side, since the last change

  constructor(snapshot) {
    this.symbol = snapshot.symbol;
    this.sequence = snapshot.sequence;
    this.orders = new Map();
    this.levels = { BUY: new Map(), SELL: new Map() };
    this.trades = snapshot.trades.reverse();
    this.largestId = -1n;
    for (const order of snapshot.orders) this.#add(order);
  }

  // Applies a change. Throws a Gap if an earlier message was lost.
  apply(message) {
    if (message.previous !== this.sequence) throw new Gap();
    this.sequence = message.sequence;
    this.#ladders = {};
    const { order, orders, before, after, trade } = message;
    switch (message.type) {
      case "OrderAdded": return this.#add(order);
      case "OrdersAdded": return orders.forEach((each) => this.#add(each));
      case "OrderRemoved": return this.#remove(order);
      case "OrdersRemoved": return orders.forEach((each) => this.#remove(each));
      case "OrderAmended": return this.#amend(before, after);
      case "TradePlaced": return this.#trade(trade, message);
      default: throw new Gap(); // a newer server may send kinds of changes that this page cannot apply
    }
  }

  // Returns the price levels of a side, best first: the lowest price for BUY, the highest for SELL. The array is the same
  // until the next change.
  ladder(side) {
    const sign = side === "BUY" ? 1 : -1;
    return this.#ladders[side] ??= [...this.levels[side].values()].sort((a, b) => (a.price < b.price ? -sign : sign));
  }

  best(side) {
    return this.ladder(side)[0]?.price ?? null;
  }

  // Returns at most `limit` resting orders of a price level, or of both sides if `level` is null. The BUY side is first,
  // and so is the best price of each side.
  resting(level, limit) {
    const levels = level
      ? [this.levels[level.side].get(level.price)].filter(Boolean)
      : [...this.ladder("BUY"), ...this.ladder("SELL")];
    const orders = [];
    for (const { orders: atLevel } of levels) {
      if (orders.length >= limit) break;
      orders.push(...[...atLevel.values()].sort((a, b) => (a.order_id < b.order_id ? -1 : 1)));
    }
    return orders.slice(0, limit);
  }

  #add(order) {
    this.orders.set(order.order_id, order);
    if (order.order_id > this.largestId) this.largestId = order.order_id;
    const levels = this.levels[order.side];
    const level = levels.get(order.price) ?? { side: order.side, price: order.price, amount: 0n, orders: new Map() };
    level.amount += order.amount;
    level.orders.set(order.order_id, order);
    levels.set(order.price, level);
  }

  #remove(order) {
    this.orders.delete(order.order_id);
    const level = this.levels[order.side].get(order.price);
    if (!level?.orders.delete(order.order_id)) throw new Gap();
    level.amount -= order.amount;
    if (!level.orders.size) this.levels[order.side].delete(order.price);
  }

  #amend(before, after) {
    this.#remove(before);
    this.#add(after);
  }

  #trade(trade, { sequence, time }) {
    for (const fill of trade.fills) {
      const order = this.orders.get(fill.order_id);
      if (!order) throw new Gap();
      this.#remove(order);
      if (order.amount > fill.amount) this.#add({ ...order, amount: order.amount - fill.amount });
    }
    this.trades = [{ ...trade, sequence, time }, ...this.trades].slice(0, 20);
  }
}
