// Requests to the server of this page, and the messages for its problems.

import { read, write } from "./exact.js";
import { instrumentOf, setInstrument, unitsOf } from "./units.js";

const TIMEOUT = 5_000; // milliseconds for one response
export const NO_ACCESS = [401, 403, 421];
const PAUSES = [200, 600, 1_800]; // milliseconds before each retry

export class Rejected extends Error {
  constructor(status, problem, symbol) {
    super(messageOf({ symbol, ...problem }));
    this.status = status;
    this.problem = problem;
  }
}

export class NoResponse extends Error {
  constructor() {
    super("The server does not respond.");
  }
}

export function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  return url;
}

export async function get(path, query) {
  return send(address(path, query), {});
}

// Returns the parameters that choose the shard of a symbol, which the gateway of a cluster needs for a request about trades.
export function shardOf(symbol) {
  return "shards" in document.body.dataset ? { symbol } : {};
}

// Requests the instrument of a symbol.
export async function loadInstrument(symbol) {
  const { instruments } = await get("instruments", { symbol });
  setInstrument(symbol, instruments[0] ?? null);
}

// Requests the instrument of a symbol again. Throws an error if it has changed, because the numbers on the page then mean
// other prices and amounts.
export async function checkInstrument(symbol, instrument = instrumentOf(symbol)) {
  await loadInstrument(symbol);
  if (instrument !== undefined && instrumentOf(symbol) !== instrument) throw new InstrumentChanged(symbol);
}

class InstrumentChanged extends Error {
  constructor(symbol) {
    super(`The tick size or the lot size of ${symbol} has changed. Check all numbers, and then try again.`);
  }
}

// Sends a change with an idempotency key. Without a response, sends the change again, because the server makes it only
// once. `isFirst` is true if a request with this key added the order, and false if an earlier equal request added it.
export async function sendChange(method, path, fields, key) {
  const options = { method, headers: { "Idempotency-Key": key } };
  if (fields) {
    options.headers["Content-Type"] = "application/json";
    options.body = write(fields);
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await send(address(path), options, fields?.symbol);
      return { ...response, isFirst: response.key === key };
    } catch (error) {
      if (!(error instanceof NoResponse) || attempt === PAUSES.length) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSES[attempt]));
    }
  }
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function openSession(key) {
  await send(address("session"), { method: "POST", headers: { Authorization: `Bearer ${key}` } });
}

export async function closeSession() {
  await send(address("session"), { method: "DELETE" });
}

// Throws the reason why the server rejects a stream, which a WebSocket does not report. The server checks access before
// the method, so a POST to the path of the stream gets the same problem. A 405 means that there is access.
export async function checkStream() {
  try {
    await send(address("stream"), { method: "POST" });
  } catch (error) {
    if (error instanceof NoResponse || NO_ACCESS.includes(error.status)) throw error;
  }
}

async function send(url, options, symbol) {
  let response;
  let text;
  try {
    response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT), ...options });
    text = await response.text();
  } catch {
    throw new NoResponse();
  }
  const body = text ? parseBody(text) : null;
  if (!response.ok) {
    if (response.status === 401) document.dispatchEvent(new Event("oms:locked"));
    throw new Rejected(response.status, body ?? {}, symbol);
  }
  return { ...body, key: response.headers.get("Idempotency-Key") };
}

function parseBody(text) {
  try {
    return read(text);
  } catch {
    return null; // the response is not from the service, but perhaps from a proxy
  }
}

const bookOf = (side) => (side === "BUY" ? "asks" : "bids");

const MESSAGES = {
  insufficient_liquidity: ({ symbol, side, requested, available }) =>
    available > 0n
      ? `Only ${unitsOf(symbol).amount(available)} of ${unitsOf(symbol).amount(requested)} are available in the ${bookOf(side)}.`
      : `There are no ${bookOf(side)}.`,
  price_bound: ({ symbol, bound, total_price }) =>
    `The total has changed from ${unitsOf(symbol).money(bound)} to ${unitsOf(symbol).money(total_price)}. Nothing was traded.`,
  duplicate_order: ({ order_id }) => `Order id ${order_id} has been used already. Choose another one.`,
  order_not_found: ({ order_id }) => `Order ${order_id} is no longer in the book. It was filled or removed.`,
  invalid_order: ({ field, allowed }) => `${FIELDS[field] ?? field} must be ${allowed}.`,
  unauthorized: () => "The API key is missing or wrong.",
  origin_refused: ({ detail }) => `The server rejects this page: ${detail}.`,
  host_refused: ({ detail }) => `The server rejects this page: ${detail}.`,
};

const FIELDS = {
  order_id: "Order id", symbol: "Symbol", amount: "Amount", price: "Price", side: "Side", owner: "Owner", display: "Visible amount",
  stop_price: "Stop price", limit_price: "Limit price",
};

function messageOf(problem) {
  const message = MESSAGES[problem.code]?.(problem);
  return message ?? [problem.title ?? "The server rejected the request", problem.detail].filter(Boolean).join(": ");
}
