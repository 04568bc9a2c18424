// The tape: the last trades, newest first.

import { arrange, find, make } from "./elements.js";
import { divided, grouped } from "./exact.js";

export function drawTape(trades) {
  arrange(find("trades"), trades, ({ trade_id }) => String(trade_id), create, () => {});
  find("no-trades").hidden = trades.length > 0;
}

function create(trade) {
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, grouped(trade.trade_id)),
    make("td", {}, make("span", { className: "side", data: { side: trade.side } }, trade.side)),
    make("td", {}, grouped(trade.amount)),
    make("td", { className: "average" }, divided(trade.total_price, trade.amount, 2)),
    make("td", {}, grouped(trade.total_price)),
  );
}
