// The lists below the ladder. Each order or trade is a row. If the list is too narrow, each number has its own line.

import { find } from "./elements.js";

addEventListener("resize", () => ["orders", "trades"].forEach(fit));

// Puts each cell on its own line if the rows are wider than the list.
export function fit(id) {
  const table = find(id).parentElement;
  table.classList.remove("stacked");
  table.classList.toggle("stacked", table.offsetWidth > table.parentElement.clientWidth);
}
