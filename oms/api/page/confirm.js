// The dialog before a change that cannot be taken back.

import { find, make, write } from "./elements.js";
import { Unanswered } from "./server.js";

export function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([name, ...value]) =>
    make("div", {}, make("dt", {}, name), fact(value))));
}

function fact([value, ...more]) {
  return typeof value === "string" && !more.length ? write(make("dd"), value) : make("dd", {}, value, ...more);
}

// Shows what is about to be done, and does it once it is confirmed. Resolves to what `act` answers, or to
// null if it was left. What was refused cannot be confirmed again; what was not answered can.
export function confirmed({ title, pairs, note, verb, act }) {
  const dialog = find("confirm");
  const [yes, no, problem] = ["confirm-yes", "confirm-no", "confirm-problem"].map(find);
  find("confirm-title").replaceChildren(...title);
  facts(find("confirm-facts"), pairs);
  find("confirm-note").textContent = note;
  problem.textContent = "";
  yes.hidden = false;
  yes.textContent = verb;
  no.textContent = "Cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    let done = null;
    let busy = false;
    yes.onclick = async () => {
      if (busy) return;
      busy = true;
      yes.setAttribute("aria-disabled", "true");
      problem.textContent = "";
      try {
        done = await act();
        dialog.close();
      } catch (error) {
        show(error);
      } finally {
        busy = false;
        yes.removeAttribute("aria-disabled");
      }
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => resolve(done);
    dialog.oncancel = (event) => { if (busy) event.preventDefault(); };
  });

  function show(error) {
    if (error instanceof Unanswered) {
      problem.textContent = `${error.message} Whether this was done is not known. Trying again never does it twice.`;
      yes.textContent = "Try again";
    } else {
      problem.textContent = error.message;
      yes.hidden = true;
      no.textContent = "Close";
      no.focus();
    }
  }
}
