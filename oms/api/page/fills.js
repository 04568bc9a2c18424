// The list of fills in a matching engine, newest first.

import { find, labeled, make, write } from "./elements.js";
import { LongList, nameCell, sideName } from "./lists.js";
import { get, shardOf } from "./server.js";
import { clockTime } from "./tape.js";
import { labelsOf, unitsOf } from "./units.js";

const LONGEST_PAGE = 1_000n; // trades

export class Fills {
  #book = null;
  #list = new LongList("fills", { name: "fills", keyOf: ({ key }) => key, create: (fill) => this.#create(fill), update: () => {} });

  constructor(owners) {
    this.owners = owners;
  }

  clear() {
    this.#book = null;
    this.#list.clear();
  }

  // Empties the list and changes its header, so that the next drawing has the present units of the symbol.
  clearNumbers(symbol) {
    find("fills").replaceChildren();
    find("fills-total").textContent = totalName(symbol);
  }

  draw(book) {
    this.#book = book;
    find("fills-title").textContent = book.owner === null ? "Fills of all owners" : "Your fills";
    find("fills-owner").hidden = book.owner !== null;
    this.#list.draw(this.owners.select(book.fills));
  }

  #create({ id, owner, role, side, amount, price, time, symbol }) {
    const units = unitsOf(symbol);
    const row = make("tr", {},
      nameCell("th", "Order", id, ...(time === null ? [] : [clockTime(time)])),
      nameCell("td", "Owner", owner),
      make("td", { className: "text", data: { name: "Side" } }, sideName(side)),
      make("td", { className: "text", data: { name: "Role" } }, role),
      write(make("td", { data: { name: "Amount" } }), units.amount(amount)),
      write(make("td", { data: { name: "Price" } }), units.price(price)),
      write(make("td", { data: { name: totalName(symbol) } }), units.total(amount * price)),
    );
    row.children[1].hidden = this.#book.owner !== null;
    return row;
  }
}

function totalName(symbol) {
  return labeled("Total", labelsOf(symbol).money);
}

// Adds the fills before the snapshot of a book, as far as they are in the last 1,000 trades before it.
export async function addOlderFills(book) {
  const first = book.firstTrade;
  if (first === null) return;
  const after = first > LONGEST_PAGE ? first - LONGEST_PAGE - 1n : 0n;
  const { trades } = await tradesAfter(after, book.symbol);
  book.addOlder(trades.filter(({ symbol, trade_id }) => symbol === book.symbol && trade_id < first));
}

async function tradesAfter(after, symbol) {
  const query = { after, limit: LONGEST_PAGE, ...shardOf(symbol) };
  try {
    return await get("trades", query);
  } catch (error) {
    if (error.problem?.code !== "no_longer_available") throw error;
    return get("trades", { ...query, after: error.problem.first - 1n });
  }
}
