// A form: its fields, the message after a success, and the message after a problem.

import { labeled } from "./elements.js";
import { parsed } from "./exact.js";
import { Rejected } from "./server.js";

export class Form {
  constructor(element) {
    this.element = element;
    this.outcome = element.querySelector(".outcome");
    this.problem = element.querySelector(".problem");
    element.addEventListener("input", () => this.showOutcome(""));
  }

  text(name) {
    return this.element.elements[name].value;
  }

  // Returns the number in a field. If the text is not a number, shows a problem and returns null.
  number(name, label) {
    const number = parsed(this.text(name));
    if (number === null) this.showProblem(`${label} must be a whole number, such as 1,200.`, name);
    return number;
  }

  // Shows the unit of a field in its label, and asks for a keyboard for decimals if the field may contain them.
  showUnit(name, label, unit, hasDecimals) {
    const field = this.element.elements[name];
    field.labels[0].textContent = labeled(label, unit);
    field.inputMode = hasDecimals ? "decimal" : "numeric";
  }

  showOutcome(text) {
    this.outcome.textContent = text;
    this.problem.textContent = "";
    for (const field of this.element.elements) field.removeAttribute("aria-invalid");
  }

  showProblem(text, name) {
    this.showOutcome("");
    this.problem.textContent = text;
    const field = name && this.element.elements[name];
    if (!(field instanceof HTMLElement)) return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }

  showError(error) {
    const { code, field } = error instanceof Rejected ? error.problem : {};
    this.showProblem(error.message, code === "duplicate_order" ? "order_id" : field);
  }
}
