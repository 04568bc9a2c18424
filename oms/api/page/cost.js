// The exact cost of an amount, from the price levels of one side of a book.

// Returns the running sums of price levels that are sorted best first. Each sum has the price of its level, and the
// `amount` and the `total` price of all levels up to it.
export function sumsOf(levels) {
  let [amount, total] = [0n, 0n];
  return levels.map((level) => {
    amount += level.amount;
    total += level.amount * level.price;
    return { price: level.price, amount, total };
  });
}

// Returns the total price of an amount and its worst price, or null if the levels contain less. O(log k) for k levels.
export function costOf(sums, amount) {
  let [low, high] = [0, sums.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle].amount < amount) low = middle + 1;
    else high = middle;
  }
  if (low === sums.length) return null;
  const level = sums[low];
  return { total: level.total - (level.amount - amount) * level.price, worst: level.price };
}
