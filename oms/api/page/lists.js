// The lists below the ladder. They have one row for each order or trade; on a narrow screen, one line for each number.

import { find } from "./elements.js";

addEventListener("resize", () => ["orders", "trades"].forEach(fit));

// Stacks the cells of each row if the row is wider than the list.
export function fit(id) {
  const table = find(id).parentElement;
  table.classList.remove("stacked");
  table.classList.toggle("stacked", table.offsetWidth > table.parentElement.clientWidth);
}
