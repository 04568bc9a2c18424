// The list of symbols. Each symbol is a link that can be bookmarked. The part of the URL after # is the chosen symbol.

import { arrange, find, make, symbolName } from "./elements.js";

const PREFIX = "#/";

export function chosenSymbol() {
  if (!location.hash.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(location.hash.slice(PREFIX.length)) || null;
  } catch {
    return null; // the URL is incomplete
  }
}

export function hashOf(symbol) {
  return PREFIX + encodeURIComponent(symbol);
}

export function drawSymbols(symbols, chosen) {
  const alone = find("symbols").childElementCount < 2; // the other symbols have not arrived yet
  const shown = chosen === null || symbols.includes(chosen) ? symbols : [chosen, ...symbols];
  arrange(find("symbols"), shown, (symbol) => symbol, create, (item, symbol) => {
    const link = item.firstElementChild;
    if (symbol !== chosen) {
      link.removeAttribute("aria-current");
    } else if (alone || !link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "page");
      requestAnimationFrame(() => reveal(link, find("symbols")));
    }
  });
  if (shown.length) find("no-symbols").hidden = true;
}

// Scrolls the list to a link. Unlike scrollIntoView, this does not change where the Tab key continues.
function reveal(link, list) {
  const [at, within] = [link.getBoundingClientRect(), list.getBoundingClientRect()];
  list.scrollBy(
    Math.min(0, at.left - within.left) + Math.max(0, at.right - within.right),
    Math.min(0, at.top - within.top) + Math.max(0, at.bottom - within.bottom),
  );
}

function create(symbol) {
  return make("li", {}, make("a", { href: hashOf(symbol) }, symbolName(symbol)));
}
