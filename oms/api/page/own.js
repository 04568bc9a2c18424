// The orders that the user has added in this browser tab. The tab remembers their ids until it is closed, even after a
// reload, or until the user signs out.

import { find } from "./elements.js";

const STORED = `oms:own-orders:${location.pathname}`; // several services may have the same origin
const ids = new Set(stored());

find("sign-out").addEventListener("click", forget);

export function addOwn(id) {
  ids.add(id);
  store();
}

export function isOwn({ order_id }) {
  return ids.has(order_id);
}

// Returns those of the orders in a map, by their ids, that are the user's own.
export function ownOf(orders) {
  return [...ids].map((id) => orders.get(id)).filter(Boolean);
}

function forget() {
  ids.clear();
  store();
}

function store() {
  try {
    sessionStorage.setItem(STORED, JSON.stringify([...ids].map(String)));
  } catch {
    // Without storage, the ids are forgotten after a reload.
  }
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "[]").map(BigInt);
  } catch {
    return [];
  }
}
