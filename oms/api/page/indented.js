// JSON with one value per line. All numbers and strings stay as they are, because JSON.parse would round large numbers.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const CLOSING = { "{": "}", "[": "]" };

// Returns the text with line breaks and spaces between its tokens, or the text itself if it is not JSON.
export function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(TOKEN);
  let lines = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  tokens.forEach((token, at) => {
    if (token in CLOSING) {
      depth += 1;
      lines += tokens[at + 1] === CLOSING[token] ? token : token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      lines += tokens[at - 1] in CLOSING ? token : line() + token;
    } else if (token === ",") lines += token + line();
    else lines += token === ":" ? ": " : token;
  });
  return lines;
}
