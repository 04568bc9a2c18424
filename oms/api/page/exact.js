// Exact numbers of any size. Every integer in a response becomes a BigInt, and is shown with all its digits.

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
  return JSON.parse(text, (_key, value, context) =>
    typeof value === "number" && INTEGER.test(context.source) ? BigInt(context.source) : value);
}

// For browsers whose JSON.parse does not provide the source text. Integers become strings that begin with "#", and all
// other strings get the prefix "=".
export function readByMarks(text) {
  const marked = text.replace(TOKEN, (token, colon) => {
    if (colon !== undefined) return token;
    if (token[0] === '"') return `"=${token.slice(1)}`;
    return INTEGER.test(token) ? `"#${token}"` : token;
  });
  return JSON.parse(marked, (_key, value) => {
    if (typeof value !== "string") return value;
    return value[0] === "#" ? BigInt(value.slice(1)) : value.slice(1);
  });
}

export function write(fields) {
  const pairs = Object.entries(fields).map(([name, value]) =>
    `${JSON.stringify(name)}:${typeof value === "bigint" ? value : JSON.stringify(value)}`);
  return `{${pairs.join(",")}}`;
}

const TYPED = /^(\d+|\d{1,3}(,\d{3})+)$/;

// Returns the integer that a user typed, with or without commas, or null for any other text.
export function parsed(text) {
  const trimmed = text.trim();
  return TYPED.test(trimmed) ? BigInt(trimmed.replaceAll(",", "")) : null;
}

export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

// Returns a quotient with this number of decimals. Halves are rounded up.
export function divided(dividend, divisor, decimals) {
  const scale = 10n ** BigInt(decimals);
  const rounded = (2n * dividend * scale + divisor) / (2n * divisor);
  const whole = grouped(rounded / scale);
  return decimals ? `${whole}.${String(rounded % scale).padStart(decimals, "0")}` : whole;
}
