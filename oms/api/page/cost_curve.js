// The cost curve: what an amount costs, or its average price, at the present prices of one side.

import { Axis, axisAround } from "./axis.js";
import { levelsInChart } from "./chart_levels.js";
import { ChartTable } from "./chart_table.js";
import { costOf, sumsOf } from "./cost.js";
import { find, labeled } from "./elements.js";
import { Plot } from "./plot.js";
import { labelsOf, unitsOf } from "./units.js";

const SAMPLES = 120n; // of the average price, which is curved between two levels
const PLACES = 4; // of an average price in ticks

export class CostCurve {
  #form = find("cost-form");
  #plot = new Plot("cost-plot");
  #table = new ChartTable("cost");
  #asked = null; // the side of the last question

  constructor(onChange) {
    this.#form.addEventListener("change", onChange);
    this.#form.addEventListener("submit", (event) => event.preventDefault());
  }

  clear() {
    this.#plot.clear();
    this.#table.clear();
    find("cost-summary").textContent = "";
  }

  // Draws the curve of the chosen side. `sides` contains the levels of each side, best first. `question` contains the side
  // and the amount in the form of the page. If its side changes, the curve shows this side.
  draw(symbol, sides, question) {
    if (question.side !== this.#asked) this.#choose(question.side);
    const [side, measure] = [this.#value("cost-side"), this.#value("cost-measure")];
    const [units, labels] = [unitsOf(symbol), labelsOf(symbol)];
    const all = sumsOf(sides[side]);
    const sums = all.slice(0, levelsInChart(sides[side]).length);
    const amount = question.side === side ? question.amount : undefined;
    find("cost-summary").textContent = summary(side, all, amount, units);
    find("cost-x").textContent = labeled("Amount", labels.amount);
    find("cost-y").textContent = measure === "total" ? labeled("Total", labels.money) : labeled("Average price", labels.price);
    this.#table.draw(
      [labeled("Up to the price", labels.price), labeled("Amount", labels.amount), labeled("Total", labels.money),
        labeled("Average price", labels.price)],
      () => sums.map((sum) => [units.price(sum.price), units.amount(sum.amount), units.total(sum.total),
        units.average(sum.total, sum.amount, PLACES)]),
    );
    if (!sums.length) return this.#plot.clear();
    return this.#plot.draw(drawing(side, measure, sums, amount, units));
  }

  #choose(side) {
    this.#asked = side;
    for (const radio of this.#form.elements["cost-side"]) radio.checked = radio.value === side;
  }

  #value(name) {
    return this.#form.elements[name].value;
  }
}

function drawing(side, measure, sums, amount, units) {
  const most = sums.at(-1);
  const x = new Axis(0n, most.amount);
  const isTotal = measure === "total";
  const y = isTotal ? new Axis(0n, most.total) : averageAxis(side, sums);
  const point = (bought) => {
    const { total } = costOf(sums, bought);
    return [x.at(bought), isTotal ? y.at(total) : y.at(total, bought)];
  };
  const amounts = isTotal ? [most.amount] : samplesOf(sums);
  const shapes = [{ class: "line", "data-side": side, points: [...(isTotal ? [[0, 0]] : []), ...levelsAnd(amounts, sums).map(point)] }];
  if (amount && amount <= most.amount) {
    const [across, up] = point(amount);
    shapes.push({ class: "guide", points: [[across, 0], [across, up], [0, up]] });
    shapes.push({ class: "dot", "data-side": side, points: [[across, up], [across, up]] });
  }
  return {
    x: { axis: x, show: (lots) => units.amount(lots) },
    y: { axis: y, show: (number) => (isTotal ? units.total(number) : units.price(number)) },
    shapes,
  };
}

// Returns the axis of the average prices, which are between the best and the worst price.
function averageAxis(side, sums) {
  const [best, { total, amount }] = [sums[0].price, sums.at(-1)];
  return side === "BUY" ? axisAround(best, total / amount + 1n) : axisAround(total / amount, best);
}

function samplesOf(sums) {
  const most = sums.at(-1).amount;
  return Array.from({ length: Number(SAMPLES) }, (_, at) => (most * BigInt(at)) / SAMPLES || 1n);
}

// Returns the amounts, and those at which the levels end, in ascending order.
function levelsAnd(amounts, sums) {
  const ends = sums.map(({ amount }) => amount);
  return [...new Set([...amounts, ...ends])].sort((a, b) => (a < b ? -1 : 1));
}

function summary(side, sums, amount, units) {
  const [doing, costs, book] = side === "BUY" ? ["Buying", "costs", "asks"] : ["Selling", "brings", "bids"];
  if (!sums.length) return `There are no ${book}.`;
  const available = sums.at(-1).amount;
  if (amount > available) return `Only ${units.amount(available)} of ${units.amount(amount)} are in the ${book}.`;
  const asked = amount || available;
  const { total } = costOf(sums, asked);
  const all = amount ? "" : "all ";
  return `${doing} ${all}${units.amount(asked)} ${costs} ${units.money(total)}, on average ${units.average(total, asked, PLACES)}.`;
}
