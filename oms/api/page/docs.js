// The page /docs: its forms send requests to their endpoints, and show the responses.

import { find, make } from "./elements.js";
import { indented } from "./indented.js";
import { requestOf } from "./request.js";

const TIMEOUT = 30_000; // milliseconds
const LONGEST_BODY = 20_000; // letters that are shown

find("credentials")?.addEventListener("submit", (event) => event.preventDefault());
for (const form of document.querySelectorAll("form.request")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, form.querySelector(".response"), form.querySelector("button"));
  });
}

// Ignores a second click during the first request.
async function send(form, response, button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    response.replaceChildren(...(await answered(form)));
  } catch (error) {
    response.replaceChildren(make("p", { className: "problem" }, error.message));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function answered(form) {
  const request = requestOf(form, find("key")?.value.trim() ?? "", AbortSignal.timeout(TIMEOUT));
  let response;
  let text;
  try {
    response = await fetch(request);
    text = await response.text();
  } catch {
    throw new Error("The server does not respond.");
  }
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    part("Request", `${request.method} ${request.url}`),
    part("Status", `${response.status} ${response.statusText}`.trim()),
    part("Headers", headers),
    part("Body", shown(text)),
  ];
}

function part(name, text) {
  return make("div", { data: { part: name.toLowerCase() } }, make("h3", {}, name), make("pre", {}, text));
}

function shown(text) {
  if (text === "") return "(empty)";
  const lines = indented(text);
  const more = lines.length - LONGEST_BODY;
  return more > 0 ? `${lines.slice(0, LONGEST_BODY)}\n(${more} more characters)` : lines;
}
