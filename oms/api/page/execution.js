// The result of a submission or a replacement, in words.

import { unitsOf } from "./units.js";

const REASONS = {
  NO_LIQUIDITY: "nothing more was available",
  FILL_OR_KILL: "the whole amount was not available",
  POST_ONLY: "the order would have traded at once",
  SELF_TRADE: "the order would have traded with an order of the same owner",
};

export function summary({ symbol, side, amount, total_price, resting, canceled, reason }) {
  const units = unitsOf(symbol);
  const parts = [];
  if (amount) parts.push(`${side === "BUY" ? "bought" : "sold"} ${units.amount(amount)} for ${units.money(total_price)}`);
  if (resting) parts.push(`${units.amount(resting)} open`);
  if (canceled) parts.push(`${units.amount(canceled)} canceled, because ${REASONS[reason] ?? reason}`);
  return parts.join(", ");
}
