// The lists below the ladder: a row for each order or trade; on a narrow screen a line for each of its numbers.

import { find } from "./elements.js";

addEventListener("resize", () => ["orders", "trades"].forEach(fit));

// Stacks the cells of each row if they do not fit beside each other.
export function fit(id) {
  const table = find(id).parentElement;
  table.classList.remove("stacked");
  table.classList.toggle("stacked", table.offsetWidth > table.parentElement.clientWidth);
}
