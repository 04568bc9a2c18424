// The dialog in which the user confirms a change that cannot be undone.

import { find, make, write } from "./elements.js";
import { NoResponse } from "./server.js";

export function details(list, pairs) {
  list.replaceChildren(...pairs.map(([name, ...value]) =>
    make("div", {}, make("dt", {}, name), detail(value))));
}

function detail([value, ...more]) {
  return typeof value === "string" && !more.length ? write(make("dd"), value) : make("dd", {}, value, ...more);
}

// Shows the details of a change, and calls `send` if the user confirms. Resolves to the result of `send`, or to null if
// the user cancels with the button `refusal`. After a rejection the user can only close the dialog. Without a response the user can try again.
export function confirmed({ title, pairs, note, label, refusal = "Cancel", send }) {
  const dialog = find("confirm");
  const [yes, no, problem] = ["confirm-yes", "confirm-no", "confirm-problem"].map(find);
  find("confirm-title").replaceChildren(...title);
  details(find("confirm-facts"), pairs);
  find("confirm-note").textContent = note;
  problem.textContent = "";
  yes.hidden = false;
  yes.textContent = label;
  no.textContent = refusal;
  dialog.showModal();
  return new Promise((resolve) => {
    let result = null;
    let busy = false;
    yes.onclick = async () => {
      if (busy) return;
      busy = true;
      yes.setAttribute("aria-disabled", "true");
      problem.textContent = "";
      try {
        result = await send();
        dialog.close();
      } catch (error) {
        showError(error);
      } finally {
        busy = false;
        yes.removeAttribute("aria-disabled");
      }
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => resolve(result);
    dialog.oncancel = (event) => { if (busy) event.preventDefault(); };
  });

  function showError(error) {
    if (error instanceof NoResponse) {
      problem.textContent = `${error.message} The change may have been made. You can try again, because the server makes the change only once.`;
      yes.textContent = "Try again";
    } else {
      problem.textContent = error.message;
      yes.hidden = true;
      no.textContent = "Close";
      no.focus();
    }
  }
}
