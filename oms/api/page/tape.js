// The list of the latest trades, newest first.

import { arrange, find, labeled, make, write } from "./elements.js";
import { grouped } from "./exact.js";
import { fit } from "./lists.js";
import { labelsOf, unitsOf } from "./units.js";

export function drawTape(trades) {
  arrange(find("trades"), trades, ({ trade_id }) => String(trade_id), create, () => {});
  find("no-trades").hidden = trades.length > 0;
  fit("trades");
}

function create(trade) {
  const units = unitsOf(trade.symbol);
  return make(
    "tr",
    {},
    make("th", { scope: "row", data: { name: "Trade" } }, named(trade)),
    make("td", { data: { name: "Side" } }, make("span", { className: "side", data: { side: trade.side } }, trade.side)),
    write(make("td", { data: { name: "Amount" } }), units.amount(trade.amount)),
    write(make("td", { className: "average", data: { name: "Average" } }), units.average(trade.total_price, trade.amount, 2)),
    write(make("td", { data: { name: labeled("Total", labelsOf(trade.symbol).money) } }), units.total(trade.total_price)),
  );
}

// Returns an element with the id of a trade, and its time of day if the trade has a time.
function named({ trade_id, time }) {
  const id = write(make("span"), grouped(trade_id));
  return make("div", {}, id, ...(time === null ? [] : [clockTime(time)]));
}

const SECOND = 1_000_000_000n; // nanoseconds

// Returns an element with the local time of day. Its title is the exact time in UTC.
export function clockTime(time) {
  const date = new Date(Number(time / 1_000_000n));
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const exact = `${date.toISOString().slice(0, 19)}.${String(time % SECOND).padStart(9, "0")}Z`;
  const text = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return make("time", { dateTime: exact, title: exact }, text);
}
