// The choice of one owner, for users who see the orders and the fills of all owners.

import { arrange, find, make } from "./elements.js";

const ALL = "";

export class OwnerFilter {
  #select = find("owner-filter");

  // `onChange` is called after the user has chosen another owner.
  constructor(onChange) {
    this.#select.addEventListener("change", onChange);
  }

  // Returns the chosen owner, or null for all owners.
  get owner() {
    return this.#select.value === ALL ? null : JSON.parse(this.#select.value);
  }

  clear() {
    this.#select.value = ALL;
  }

  // Lists the owners in a book. The chosen owner stays, even without orders.
  draw(book) {
    const owners = book.owner === null ? [...book.orders.values(), ...book.fills].map(({ owner }) => owner) : [];
    const names = [...new Set([...owners, this.owner])].filter((owner) => owner !== null).sort();
    const values = [ALL, ...names.map((name) => JSON.stringify(name))];
    arrange(this.#select, values, (value) => value, option, () => {});
    find("owner-choice").hidden = book.owner !== null || !names.length;
  }

  // Returns those of the orders or fills that belong to the chosen owner.
  select(items) {
    const { owner } = this;
    return owner === null ? items : items.filter((item) => item.owner === owner);
  }
}

function option(value) {
  return make("option", { value }, value === ALL ? "All owners" : JSON.parse(value));
}
