// An axis of a chart: the positions of exact numbers between its ends, and the round numbers that its labels show.

const PRECISION = 1_000_000n; // a position is rounded to a millionth of the axis

export class Axis {
  // `least` and `most` are the numbers at the ends. `most` must be the larger one.
  constructor(least, most) {
    this.least = least;
    this.most = most;
  }

  // Returns the position of dividend / divisor: 0 at the least number, and 1 at the largest one.
  at(dividend, divisor = 1n) {
    const above = (dividend - this.least * divisor) * PRECISION;
    return Number(above / ((this.most - this.least) * divisor)) / Number(PRECISION);
  }

  // Returns at most `count` round numbers on the axis: all multiples of 1, 2, or 5 times a power of ten.
  marks(count) {
    for (let power = 1n; ; power *= 10n) {
      for (const factor of [1n, 2n, 5n]) {
        const step = factor * power;
        const first = (this.least + step - 1n) / step;
        const last = this.most / step;
        if (last - first < BigInt(count)) return multiples(step, first, last);
      }
    }
  }
}

function multiples(step, first, last) {
  return Array.from({ length: Number(last - first) + 1 }, (_, at) => (first + BigInt(at)) * step);
}

// Returns an axis whose ends are a little outside of the numbers, and never below zero.
export function axisAround(least, most) {
  const margin = (most - least) / 25n || 1n;
  return new Axis(least > margin ? least - margin : 0n, most + margin);
}
