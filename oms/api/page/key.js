// The API key: traded for a cookie that no script reads, and kept nowhere.

import { find } from "./elements.js";
import { Form } from "./fields.js";
import { openSession } from "./server.js";

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
