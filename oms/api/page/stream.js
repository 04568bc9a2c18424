// The live book of a symbol: connected, whole again after every loss, and honest about being neither.

import { Book, Gap } from "./book.js";
import { read } from "./exact.js";
import { NOT_LET_IN, Refused, address, ask, checkStream } from "./server.js";

const FIRST_PAUSE = 250; // milliseconds
const LONGEST_PAUSE = 10_000;
const HEARTBEAT = 3_000;
const NO_STREAM = "The server answers, but no stream opens: a proxy before it must pass on WebSockets.";

// Tells `onBook(book)` after every change, `onSymbols(symbols)` now and then, and `onState(state, ms, reason)`:
// connecting, live, reconnecting (in so many milliseconds), refused (the same, for a reason) or locked. A book
// that is shown while the state is not live is stale.
export class Stream {
  #symbol = null;
  #socket = null;
  #timer = null;
  #failures = 0;
  #turn = 0; // whatever was begun in an earlier turn is void

  constructor(tell) {
    this.tell = tell;
    addEventListener("online", () => this.open(this.#symbol));
    addEventListener("offline", () => this.#lost());
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.refresh(), HEARTBEAT);
  }

  // Follows a symbol (null: none, the list of symbols alone) from a new snapshot on.
  async open(symbol) {
    const turn = this.#begin(symbol);
    this.tell.onState("connecting");
    try {
      const { symbols } = await ask("symbols");
      if (turn !== this.#turn) return;
      this.tell.onSymbols(symbols);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
      return;
    }
    if (this.#symbol === null) this.#live();
    else this.#listen(turn);
  }

  // Asks which symbols there are; no answer means that the connection is lost, whatever the socket says.
  async refresh() {
    if (document.hidden || this.state !== "live") return;
    const turn = this.#turn;
    try {
      const { symbols } = await ask("symbols");
      if (turn !== this.#turn) return;
      this.#failures = 0; // only now: a connection that breaks at once is no reason to hurry
      this.tell.onSymbols(symbols);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  // A page that was not looked at may have slept.
  #look() {
    if (document.hidden) return;
    if (["reconnecting", "refused"].includes(this.state)) this.open(this.#symbol);
    else this.refresh();
  }

  #begin(symbol) {
    clearTimeout(this.#timer);
    this.#symbol = symbol;
    this.#turn += 1;
    this.#socket?.close();
    this.#socket = null;
    this.state = "connecting";
    return this.#turn;
  }

  #listen(turn) {
    const url = address("stream", { symbol: this.#symbol });
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    let book = null;
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (turn !== this.#turn) return null;
      try {
        const message = read(data);
        if (book === null) book = new Book(message);
        else book.take(message);
      } catch (error) {
        if (error instanceof Gap) return this.open(this.#symbol);
        this.#lost(); // what could not be taken leaves no book to go on with
        throw error;
      }
      this.#live();
      return this.tell.onBook(book);
    };
    socket.onclose = () => {
      if (turn !== this.#turn) return;
      if (book === null) this.#explain(turn);
      else this.#lost();
    };
  }

  // Finds out why a socket was closed before anything came.
  async #explain(turn) {
    try {
      await checkStream();
      if (turn === this.#turn) this.#lost(NO_STREAM);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  #live() {
    this.state = "live";
    this.tell.onState("live");
  }

  #failed(error) {
    if (error instanceof Refused && error.status === 401) {
      this.#begin(this.#symbol);
      this.state = "locked";
      this.tell.onState("locked");
    } else {
      this.#lost(error instanceof Refused && NOT_LET_IN.includes(error.status) ? error.message : undefined);
    }
  }

  #lost(reason) {
    this.#begin(this.#symbol);
    this.state = reason === undefined ? "reconnecting" : "refused";
    const most = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    const pause = most * (0.5 + Math.random() / 2); // so that not all pages come back at once
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(this.#symbol), pause);
    this.tell.onState(this.state, pause, reason);
  }
}
