// The order ids of a matching engine, which are integers or texts. As a text, an id has the form that it has in a path of
// the API: digits are an integer, and a text that looks like an integer is in double quotes.

const LARGEST = 2n ** 53n - 1n; // the largest integer that is not sent as a string
const INTEGER = /^(?:0|-?[1-9]\d{0,77})$/;
const QUOTED = /^"[^]*"$/;
const DOT_SEGMENTS = [".", ".."]; // browsers and proxies remove these from a path

// Returns the id that a text means: a BigInt or a string.
function idOf(text) {
  if (text.length > 1 && QUOTED.test(text)) return text.slice(1, -1);
  return INTEGER.test(text) ? BigInt(text) : text;
}

function isSmall(integer) {
  return integer <= LARGEST && integer >= -LARGEST;
}

// Returns the id that a string in a body means. Small integers are no strings there.
function idFromString(value) {
  const id = idOf(value);
  return typeof id === "bigint" && isSmall(id) ? value : id;
}

// Returns the text of an id in a response.
export function idText(value) {
  const id = typeof value === "bigint" ? value : idFromString(value);
  if (typeof id === "bigint") return String(id);
  return idOf(id) === id && !DOT_SEGMENTS.includes(id) ? id : `"${id}"`;
}

// Returns the value that a request body contains for the text of an id.
export function idInBody(text) {
  const id = idOf(text);
  return typeof id === "bigint" || idFromString(id) === id ? id : `"${id}"`;
}

// Returns the path of an open order.
export function orderPath(text) {
  return `orders/${encodeURIComponent(text)}`;
}
