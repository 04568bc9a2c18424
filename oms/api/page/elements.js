// Functions that create elements from text. Data from the network is never parsed as markup.

export function find(id) {
  return document.getElementById(id);
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data);
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

// The usual names of the book of a side, and of one order in this book.
export const BOOK_OF = { BUY: "asks", SELL: "bids" };
export const ORDER_OF = { BUY: "ask", SELL: "bid" };

const LONG = /[\d,.]{15}/; // longer than 9,999,999,999 with three decimals
const LONGER = /[\d,.]{18}/; // longer than 9,999,999,999,999
const LONGEST = /[\d,.]{34}/; // longer than the largest amount with decimals, such as a product of two large numbers

// Writes a number into an element, in a smaller font if the number is long. Only the longest numbers may break into
// several lines, and only after a comma or before the currency.
export function write(element, text) {
  const longest = LONGEST.test(text);
  const groups = longest ? text.split(/(?<=,)/) : [text];
  element.replaceChildren(...groups.flatMap((group, at) => (at ? [make("wbr"), group] : [group])));
  element.classList.toggle("long", LONG.test(text));
  element.classList.toggle("longer", LONGER.test(text));
  element.classList.toggle("longest", longest);
  return element;
}

// Returns a label with its unit, if it has one.
export function labeled(name, unit) {
  return unit ? `${name} (${unit})` : name;
}

// Makes the children of `parent` match the items, in order. Existing elements are reused, because one of them may have
// the focus.
export function arrange(parent, items, keyOf, create, update) {
  const keys = new Set(items.map(keyOf));
  const existing = new Map();
  for (const child of [...parent.children]) {
    if (keys.has(child.dataset.key)) existing.set(child.dataset.key, child);
    else child.remove();
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = existing.get(key) ?? create(item);
    element.dataset.key = key;
    update(element, item);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}

// Returns an element with a symbol, which may be any text. Right-to-left letters affect only this element.
export function symbolName(symbol) {
  return make("bdi", { className: "symbol", title: symbol }, symbol);
}
