// The symbols: links, so that each can be bookmarked. Which one is chosen stands behind the # of the address.

import { arrange, find, make, symbolName } from "./elements.js";

const PREFIX = "#/";

export function chosenSymbol() {
  if (!location.hash.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(location.hash.slice(PREFIX.length)) || null;
  } catch {
    return null; // somebody cut it short
  }
}

export function hashOf(symbol) {
  return PREFIX + encodeURIComponent(symbol);
}

export function drawSymbols(symbols, chosen) {
  const alone = find("symbols").childElementCount < 2; // the chosen one, before the others are here
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
  find("no-symbols").hidden = shown.length > 0;
}

// Not by scrollIntoView, which makes the next Tab start from there.
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
