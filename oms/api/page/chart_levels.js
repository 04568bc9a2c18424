// The price levels that a chart shows. One order at an absurd price must not make all others invisible.

const MOST_LEVELS = 50; // of each side
const FARTHEST = 10n; // times as far from the best price as the level in the middle

// Returns the first of the levels, which are sorted best first. The last one is at most ten times as far from the best
// price as the one in the middle.
export function levelsInChart(levels) {
  const best = levels.slice(0, MOST_LEVELS);
  if (best.length < 3) return best;
  const distance = ({ price }) => (price > best[0].price ? price - best[0].price : best[0].price - price);
  const farthest = FARTHEST * distance(best[best.length >> 1]);
  return best.filter((level) => distance(level) <= farthest);
}
