// Exact numbers of any size. Every integer in a response becomes a BigInt, and is shown with all its digits. In requests
// and responses, an integer above 2^53-1 is sent as a string.

const LARGEST = 2n ** 53n - 1n; // the largest integer that is not sent as a string
const LARGE = /^-?[1-9]\d{15,}$/; // a string that may contain an integer above 2^53-1

// The fields that contain integers. The text of other fields, such as a symbol, may look like an integer.
const INTEGER_FIELDS = new Set([
  "amount", "amounts", "available", "best_price", "bound", "budget", "canceled", "change", "count", "cumulative_amount",
  "cumulative_price", "display", "displayed", "expires", "filled", "first", "levels", "limit", "limit_price",
  "max_slippage_bps", "next", "order_id", "orders", "previous", "price", "price_decimals", "remaining", "requested",
  "resting", "resting_price", "retry_at", "sequence", "shortfall", "slippage", "stop_price", "time", "total", "total_price",
  "total_prices", "trade_id", "worst_price",
]);

const hasSource = (() => {
  let source;
  JSON.parse("1", (_key, value, context) => { source = context?.source; return value; });
  return source === "1";
})();

const INTEGER = /^-?\d+$/;
const TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*/g;

export function read(text) {
  return hasSource ? readBySource(text) : readByMarks(text);
}

function readBySource(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && INTEGER.test(context.source) ? BigInt(context.source) : withIntegers(key, value));
}

// Returns the value of a field, with each string that contains a large integer as a BigInt.
function withIntegers(key, value) {
  if (!INTEGER_FIELDS.has(key)) return value;
  if (Array.isArray(value)) return value.map((item) => withIntegers(key, item));
  return typeof value === "string" && LARGE.test(value) && isLarge(BigInt(value)) ? BigInt(value) : value;
}

// For browsers whose JSON.parse does not provide the source text. Integers become strings that begin with "#", and all
// other strings get the prefix "=".
export function readByMarks(text) {
  const marked = text.replace(TOKEN, (token, colon) => {
    if (colon !== undefined) return token;
    if (token[0] === '"') return `"=${token.slice(1)}`;
    return INTEGER.test(token) ? `"#${token}"` : token;
  });
  return JSON.parse(marked, (key, value) => {
    if (typeof value !== "string") return withIntegers(key, value);
    return value[0] === "#" ? BigInt(value.slice(1)) : withIntegers(key, value.slice(1));
  });
}

export function write(fields) {
  const pairs = Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${written(value)}`);
  return `{${pairs.join(",")}}`;
}

function written(value) {
  if (typeof value !== "bigint") return JSON.stringify(value);
  return isLarge(value) ? `"${value}"` : String(value);
}

function isLarge(number) {
  return number > LARGEST || number < -LARGEST;
}

const TYPED = /^(\d+|\d{1,3}(,\d{3})+)$/;

// Returns the integer that a user typed, with or without commas, or null for any other text.
export function parsed(text) {
  const trimmed = text.trim();
  return TYPED.test(trimmed) ? BigInt(trimmed.replaceAll(",", "")) : null;
}

const TYPED_DECIMAL = /^(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d{1,40}))?$/;

// Returns the digits and the number of decimal places of the number that a user typed, or null for any other text.
export function parsedDecimal(text) {
  const match = TYPED_DECIMAL.exec(text.trim());
  if (!match) return null;
  const [, whole, fraction = ""] = match;
  return { digits: BigInt(whole.replaceAll(",", "") + fraction), places: fraction.length };
}

export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

// Returns value / 10^decimals with this number of decimals.
export function fixed(value, decimals) {
  const scale = 10n ** BigInt(decimals);
  const whole = grouped(value / scale);
  return decimals ? `${whole}.${String(value % scale).padStart(decimals, "0")}` : whole;
}

// Returns a quotient with this number of decimals. Halves are rounded up.
export function divided(dividend, divisor, decimals) {
  const scale = 10n ** BigInt(decimals);
  return fixed((2n * dividend * scale + divisor) / (2n * divisor), decimals);
}
