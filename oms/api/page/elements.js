// Elements made of text: nothing that came over the wire is ever read as markup.

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

// What the market calls the book of a side, and one order in it.
export const BOOK_OF = { BUY: "asks", SELL: "bids" };
export const ORDER_OF = { BUY: "ask", SELL: "bid" };

const LONG = /[\d,.]{15}/; // longer than 9,999,999,999 and three places
const LONGER = /[\d,.]{18}/; // longer than 9,999,999,999,999
const LONGEST = /[\d,.]{34}/; // longer than the largest amount, with places: products of two large numbers

// Writes numbers, smaller if they are long. They stay in one line; the longest may go on in the next one, but
// only after a comma.
export function write(element, text) {
  const longest = LONGEST.test(text);
  const groups = longest ? text.split(/(?<=,)/) : [text];
  element.replaceChildren(...groups.flatMap((group, at) => (at ? [make("wbr"), group] : [group])));
  element.classList.toggle("long", LONG.test(text));
  element.classList.toggle("longer", LONGER.test(text));
  element.classList.toggle("longest", longest);
  return element;
}

// Makes the children those of the items, in order. The element of an item that stays is kept where it is:
// it may have the focus.
export function arrange(parent, items, keyOf, create, update) {
  const keys = new Set(items.map(keyOf));
  const kept = new Map();
  for (const child of [...parent.children]) {
    if (keys.has(child.dataset.key)) kept.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = kept.get(key) ?? create(item);
    element.dataset.key = key;
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}

// A symbol may be anything: line breaks, and letters that turn the line around, stay in its own element.
export function symbolName(symbol) {
  return make("bdi", { className: "symbol", title: symbol }, symbol);
}
