// Requests to the server that the page came from, and its refusals in words.

import { grouped, read, write } from "./exact.js";

const PATIENCE = 5_000; // milliseconds for one answer
export const NOT_LET_IN = [401, 403, 421];
const PAUSES = [200, 600, 1_800];

export class Refused extends Error {
  constructor(status, problem) {
    super(inWords(problem));
    this.status = status;
    this.problem = problem;
  }
}

export class Unanswered extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

export function address(path, query = {}) {
  const url = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
  return url;
}

export async function ask(path, query) {
  return answered(address(path, query), {});
}

// A change under a key is made once, so it is asked for again until there is an answer. Of a new order `own`
// says whether it was added under this key.
export async function change(method, path, fields, key) {
  const options = { method, headers: { "Idempotency-Key": key } };
  if (fields) {
    options.headers["Content-Type"] = "application/json";
    options.body = write(fields);
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await answered(address(path), options);
      return { ...answer, own: answer.key === key };
    } catch (error) {
      if (!(error instanceof Unanswered) || attempt === PAUSES.length) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSES[attempt]));
    }
  }
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function openSession(key) {
  await answered(address("session"), { method: "POST", headers: { Authorization: `Bearer ${key}` } });
}

export async function closeSession() {
  await answered(address("session"), { method: "DELETE" });
}

// Asks what a stream is refused for, which a socket does not say: as one that comes from this page, but by a method
// that nothing answers.
export async function checkStream() {
  try {
    await answered(address("stream"), { method: "POST" });
  } catch (error) {
    if (error instanceof Unanswered || NOT_LET_IN.includes(error.status)) throw error;
  }
}

async function answered(url, options) {
  let response;
  let text;
  try {
    response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE), ...options });
    text = await response.text();
  } catch {
    throw new Unanswered();
  }
  const content = text ? contentOf(text) : null;
  if (!response.ok) {
    if (response.status === 401) document.dispatchEvent(new Event("oms:locked"));
    throw new Refused(response.status, content ?? {});
  }
  return { ...content, key: response.headers.get("Idempotency-Key") };
}

function contentOf(text) {
  try {
    return read(text);
  } catch {
    return null; // something between here and the server answered
  }
}

const bookOf = (side) => (side === "BUY" ? "asks" : "bids");

const WORDS = {
  insufficient_liquidity: ({ side, requested, available }) =>
    available > 0n
      ? `Only ${grouped(available)} of ${grouped(requested)} are available: the ${bookOf(side)} hold no more.`
      : `There are no ${bookOf(side)}.`,
  price_bound: ({ bound, total_price }) =>
    `The price has moved from ${grouped(bound)} to ${grouped(total_price)}. Nothing was traded.`,
  duplicate_order: ({ order_id }) => `Order id ${order_id} was used before. Take another.`,
  order_not_found: ({ order_id }) => `Order ${order_id} does not rest any more: it was filled or removed.`,
  invalid_order: ({ field, allowed }) => `${FIELDS[field] ?? field} must be ${allowed}.`,
  unauthorized: () => "The API key is missing or wrong.",
  origin_refused: ({ detail }) => `The server does not let this page in: ${detail}.`,
  host_refused: ({ detail }) => `The server does not let this page in: ${detail}.`,
};

const FIELDS = { order_id: "Order id", symbol: "Symbol", amount: "Amount", price: "Price", side: "Side" };

function inWords(problem) {
  const words = WORDS[problem.code]?.(problem);
  return words ?? [problem.title ?? "The server refused", problem.detail].filter(Boolean).join(": ");
}
