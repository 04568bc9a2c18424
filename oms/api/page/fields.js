// The fields of a form, and what is wrong with them in words beside it.

import { asked } from "./exact.js";
import { Refused } from "./server.js";

export class Form {
  constructor(element) {
    this.element = element;
    this.outcome = element.querySelector(".outcome");
    this.problem = element.querySelector(".problem");
    element.addEventListener("input", () => this.say(""));
  }

  text(name) {
    return this.element.elements[name].value;
  }

  // A number that was typed; null, with words about it, if it is none.
  number(name, words) {
    const number = asked(this.text(name));
    if (number === null) this.complain(`${words} must be a whole number, such as 1,200.`, name);
    return number;
  }

  say(words) {
    this.outcome.textContent = words;
    this.problem.textContent = "";
    for (const field of this.element.elements) field.removeAttribute("aria-invalid");
  }

  complain(words, name) {
    this.say("");
    this.problem.textContent = words;
    const field = name && this.element.elements[name];
    if (!(field instanceof HTMLElement)) return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }

  refuse(error) {
    const { code, field } = error instanceof Refused ? error.problem : {};
    this.complain(error.message, code === "duplicate_order" ? "order_id" : field);
  }
}
