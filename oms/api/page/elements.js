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
