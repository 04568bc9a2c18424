// The depth chart: how much of each side can be traded up to a price.

import { Axis, axisAround } from "./axis.js";
import { levelsInChart } from "./chart_levels.js";
import { ChartTable } from "./chart_table.js";
import { sumsOf } from "./cost.js";
import { find, labeled } from "./elements.js";
import { grouped } from "./exact.js";
import { Plot } from "./plot.js";
import { labelsOf, unitsOf } from "./units.js";

const NAMES = { SELL: "Bids", BUY: "Asks" };

export class DepthChart {
  #plot = new Plot("depth-plot");
  #table = new ChartTable("depth");

  clear() {
    this.#plot.clear();
    this.#table.clear();
    for (const side of ["SELL", "BUY"]) find(`depth-${side}`).textContent = "";
  }

  // Draws the running sums of both sides. `sides` contains the levels of each side, best first.
  draw(symbol, sides) {
    const [units, labels] = [unitsOf(symbol), labelsOf(symbol)];
    const sums = Object.fromEntries(Object.entries(sides).map(([side, levels]) => [side, sumsOf(levelsInChart(levels))]));
    for (const side of ["SELL", "BUY"]) find(`depth-${side}`).textContent = summary(side, sums[side], sides[side].length, units);
    find("depth-x").textContent = labeled("Price", labels.price);
    find("depth-y").textContent = labeled("Sum of the amounts", labels.amount);
    this.#table.draw(["Side", labeled("Price", labels.price), labeled("Sum", labels.amount)], () => rowsOf(sums, units));
    const all = [...sums.SELL, ...sums.BUY];
    if (!all.length) return this.#plot.clear();
    return this.#plot.draw(this.#drawing(sums, all, units));
  }

  #drawing(sums, all, units) {
    const prices = all.map(({ price }) => price);
    const x = axisAround(prices.reduce(smaller), prices.reduce(larger));
    const most = all.map(({ amount }) => amount).reduce(larger);
    const y = new Axis(0n, most + (most / 12n || 1n));
    return {
      x: { axis: x, show: (price) => units.price(price) },
      y: { axis: y, show: (amount) => units.amount(amount) },
      shapes: ["SELL", "BUY"].filter((side) => sums[side].length).flatMap((side) => {
        const end = side === "BUY" ? 1 : 0;
        const points = stairs(sums[side], x, y, end);
        return [
          { class: "area", "data-side": side, points: [...points, [end, 0]] },
          { class: "line", "data-side": side, points },
        ];
      }),
    };
  }
}

// Returns the line of a side: at each price the sum rises, and after the last price it stays until the end of the axis.
function stairs(sums, x, y, end) {
  const points = [[x.at(sums[0].price), 0]];
  for (const { price, amount } of sums) points.push([x.at(price), points.at(-1)[1]], [x.at(price), y.at(amount)]);
  return [...points, [end, points.at(-1)[1]]];
}

function summary(side, sums, levels, units) {
  if (!sums.length) return `${NAMES[side]}: none`;
  const { price, amount } = sums.at(-1);
  const beyond = levels - sums.length;
  const more = beyond ? `. ${grouped(beyond)} more ${beyond === 1 ? "level is" : "levels are"} outside the chart` : "";
  return `${NAMES[side]}: ${units.amount(amount)} from ${units.price(sums[0].price)} to ${units.price(price)}${more}`;
}

function rowsOf(sums, units) {
  return ["SELL", "BUY"].flatMap((side) =>
    sums[side].map(({ price, amount }) => [NAMES[side], units.price(price), units.amount(amount)]));
}

function smaller(a, b) {
  return a < b ? a : b;
}

function larger(a, b) {
  return a > b ? a : b;
}
