// The lists below the ladder. Each order or trade is a row. A list that is too wide gets smaller numbers, then no average,
// and then each number has its own line.

import { find } from "./elements.js";

const STEPS = ["dense", "brief", "stacked"];

addEventListener("resize", () => ["orders", "trades"].forEach(fit));

// Gives a list the first style with which its rows fit. In the last one, all numbers are visible.
export function fit(id) {
  const table = find(id).parentElement;
  table.classList.remove(...STEPS);
  for (const step of STEPS) {
    if (table.offsetWidth <= table.parentElement.clientWidth) return;
    if (step === "stacked") table.classList.remove(...STEPS);
    table.classList.add(step);
  }
}
