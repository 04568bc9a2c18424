// The API key: traded for a cookie that no script reads, and kept nowhere.

import { find } from "./elements.js";
import { Form } from "./fields.js";
import { ask, closeSession, openSession } from "./server.js";

const KEY = /^[!-~]+$/; // what fits a header

export function askForKey(onOpened) {
  const form = new Form(find("key"));
  find("key").addEventListener("submit", async (event) => {
    event.preventDefault();
    const key = form.text("key").trim();
    if (!KEY.test(key)) return form.complain("The API key is missing or wrong.", "key");
    try {
      await openSession(key);
      find("key").reset();
      return onOpened();
    } catch (error) {
      return form.complain(error.message, "key");
    }
  });
}

// Shows the way out to whoever came in by a session.
export async function offerSignOut() {
  try {
    find("sign-out").hidden = !(await ask("session")).open;
  } catch {
    find("sign-out").hidden = true; // locked, or away: then there is nothing to leave
  }
}

export function onSignOut(left) {
  find("sign-out").addEventListener("click", async () => {
    try {
      await closeSession();
    } catch {
      // It is not known to be closed: the page goes on, and shows whether it is.
    }
    left();
  });
}
