// The units of each symbol: decimals if the symbol has an instrument, unless the user has chosen ticks and lots. After
// every change, the document gets the event "oms:units".

import { Decimals, TicksAndLots } from "./decimals.js";

const STORED = "oms:units";
const PLAIN = new TicksAndLots();
const instruments = new Map(); // by symbol, and null for a symbol without an instrument
const sources = new Map(); // the text of each instrument, to recognize a change
let inTicks = stored() === "ticks";

// Returns an object that shows and reads the prices, amounts, and totals of a symbol.
export function unitsOf(symbol) {
  return (!inTicks && instrumentOf(symbol)) || PLAIN;
}

// Returns the instrument of a symbol, null if it has none, or undefined if the server has not been asked yet. The object
// is the same until the instrument changes.
export function instrumentOf(symbol) {
  return instruments.get(symbol);
}

// Returns the units for the labels of the fields, and "" where a label needs none.
export function labelsOf(symbol) {
  const instrument = instrumentOf(symbol);
  if (!instrument) return { price: "", amount: "", money: "" };
  if (inTicks) return { price: "ticks", amount: "lots", money: "" };
  return { price: instrument.currency, amount: "", money: instrument.currency };
}

export function setInstrument(symbol, fields) {
  const source = fields && [fields.tick_size, fields.lot_size, fields.name, fields.currency, String(fields.price_decimals)].join("\n");
  if (sources.get(symbol) === source && instruments.has(symbol)) return;
  sources.set(symbol, source);
  instruments.set(symbol, fields && new Decimals(fields));
  changed();
}

export function showsTicks() {
  return inTicks;
}

export function toggleTicks() {
  inTicks = !inTicks;
  try {
    localStorage.setItem(STORED, inTicks ? "ticks" : "decimals");
  } catch {
    // Without storage, the choice lasts until the page is closed.
  }
  changed();
}

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function changed() {
  document.dispatchEvent(new Event("oms:units"));
}
