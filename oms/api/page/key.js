// The login. It exchanges the API key for a cookie that scripts cannot read. The page does not store the key.

import { find } from "./elements.js";
import { Form } from "./fields.js";
import { get, closeSession, openSession } from "./server.js";

const KEY = /^[!-~]+$/; // the characters that a header may have

export function askForKey(onOpened) {
  const form = new Form(find("key"));
  find("key").addEventListener("submit", async (event) => {
    event.preventDefault();
    const key = form.text("key").trim();
    if (!KEY.test(key)) return form.showProblem("The API key is missing or wrong.", "key");
    try {
      await openSession(key);
      find("key").reset();
      return onOpened();
    } catch (error) {
      return form.showProblem(error.message, "key");
    }
  });
}

// Shows the button "Sign out" if there is a session. Resolves to the session, which may have an owner.
// With a read-only key, the page says so, and layout.css hides the forms and the buttons that change something.
export async function showSignOut() {
  let session = { open: false };
  try {
    session = await get("session");
  } catch {
    // Without access or a connection, there is no session that the user could end.
  }
  find("sign-out").hidden = !session.open;
  const readOnly = session.access === "read-only";
  document.body.classList.toggle("read-only", readOnly);
  find("read-only").hidden = !readOnly;
  find("read-only").textContent = readOnly ? `The API key ${session.name} is read-only. With it, you can look at the books but change nothing.` : "";
  return session;
}

export function onSignOut(reload) {
  find("sign-out").addEventListener("click", async () => {
    try {
      await closeSession();
    } catch {
      // The session may still be open. The page then shows the button again after it has reloaded its state.
    }
    reload();
  });
}
