// Elements made from text: data from the network is never parsed as markup.

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

// The market's words for the book of a side, and for one order in it.
export const BOOK_OF = { BUY: "asks", SELL: "bids" };
export const ORDER_OF = { BUY: "ask", SELL: "bid" };

const LONG = /[\d,.]{15}/; // longer than 9,999,999,999 with three decimals
const LONGER = /[\d,.]{18}/; // longer than 9,999,999,999,999
const LONGEST = /[\d,.]{34}/; // longer than the largest amount with decimals: products of two large numbers

// Writes a number into an element, in a smaller font if it is long. It stays on one line; only the longest numbers may
// break, and only after a comma.
export function write(element, text) {
  const longest = LONGEST.test(text);
  const groups = longest ? text.split(/(?<=,)/) : [text];
  element.replaceChildren(...groups.flatMap((group, at) => (at ? [make("wbr"), group] : [group])));
  element.classList.toggle("long", LONG.test(text));
  element.classList.toggle("longer", LONGER.test(text));
  element.classList.toggle("longest", longest);
  return element;
}

// Makes the children of `parent` match the items, in order. The element of an item that is still there is not moved,
// because it may have the focus.
export function arrange(parent, items, keyOf, create, update) {
  const keys = new Set(items.map(keyOf));
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (keys.has(child.dataset.key)) kept.set(child.dataset.key, child);
    else child.remove();
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = kept.get(key) ?? create(item);
    element.dataset.key = key;
    update(element, item);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}

// A symbol may be any text. Line breaks and right-to-left letters affect only its own element.
export function symbolName(symbol) {
  return make("bdi", { className: "symbol", title: symbol }, symbol);
}
