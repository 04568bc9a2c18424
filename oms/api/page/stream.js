// The live book of a symbol. After a lost message or connection, the stream starts again with a snapshot.

import { Gap } from "./book.js";
import { read } from "./exact.js";
import { NO_ACCESS, Rejected, address, checkStream, get, loadInstrument } from "./server.js";

const FIRST_PAUSE = 250; // milliseconds
const LONGEST_PAUSE = 10_000;
const HEARTBEAT = 3_000;
const NO_STREAM = "The server responds, but it cannot open a stream. The proxy in front of it must forward WebSockets.";

// Calls `newBook(snapshot)` for the book of a symbol, `onBook(book)` after every change, `onSymbols(symbols)` every few seconds, and `onState(state, pause, reason)`
// after every change of the state. The states are:
// - connecting
// - live
// - reconnecting: the stream tries again after `pause` milliseconds
// - rejected: like reconnecting, and `reason` explains why the server rejects the stream
// - locked: the server requires a key
// In all states but live, the last book is stale.
export class Stream {
  #symbol = null;
  #socket = null;
  #timer = null;
  #failures = 0;
  #turn = 0; // responses to requests of an earlier turn are ignored

  constructor(callbacks) {
    this.callbacks = callbacks;
    addEventListener("online", () => this.open(this.#symbol));
    addEventListener("offline", () => this.#lost());
    document.addEventListener("visibilitychange", () => this.#checkVisible());
    setInterval(() => this.refresh(), HEARTBEAT);
  }

  // Opens a stream, which starts with a snapshot. If the symbol is null, follows only the list of symbols.
  async open(symbol) {
    const turn = this.#begin(symbol);
    this.callbacks.onState("connecting");
    try {
      const symbols = await this.#load();
      if (turn !== this.#turn) return;
      this.callbacks.onSymbols(symbols);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
      return;
    }
    if (this.#symbol === null) this.#live();
    else this.#listen(turn);
  }

  // Requests the symbols, and the instrument of the symbol of the stream.
  async #load() {
    const instrument = this.#symbol === null ? null : loadInstrument(this.#symbol);
    const [{ symbols }] = await Promise.all([get("symbols"), instrument]);
    return symbols;
  }

  // Requests the symbols. Without a response, the connection is lost, even if the WebSocket does not report it.
  async refresh() {
    if (document.hidden || this.state !== "live") return;
    const turn = this.#turn;
    try {
      const symbols = await this.#load();
      if (turn !== this.#turn) return;
      this.#failures = 0; // not earlier, so that a connection that breaks at once gets longer and longer pauses
      this.callbacks.onSymbols(symbols);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  // Checks the connection when the page becomes visible, because the browser may have suspended it.
  #checkVisible() {
    if (document.hidden) return;
    if (["reconnecting", "rejected"].includes(this.state)) this.open(this.#symbol);
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
    let snapshot = null; // the parts so far
    let book = null;
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (turn !== this.#turn) return null;
      let message;
      try {
        message = read(data);
        if (book !== null) {
          book.apply(message);
        } else {
          snapshot = joined(snapshot, message);
          if (message.more) return null;
          book = this.callbacks.newBook(snapshot);
        }
      } catch (error) {
        if (error instanceof Gap) return this.open(this.#symbol);
        this.#lost(); // the book is wrong after a failed change
        throw error;
      }
      this.#live();
      if (message.type === "OrdersRemoved") this.refresh(); // perhaps the orders were converted to another instrument
      return this.callbacks.onBook(book);
    };
    socket.onclose = () => {
      if (turn !== this.#turn) return;
      if (snapshot === null) this.#explain(turn);
      else this.#lost();
    };
  }

  // Finds out why a WebSocket was closed before its first message.
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
    this.callbacks.onState("live");
  }

  #failed(error) {
    if (error instanceof Rejected && error.status === 401) {
      this.#begin(this.#symbol);
      this.state = "locked";
      this.callbacks.onState("locked");
    } else {
      this.#lost(error instanceof Rejected && NO_ACCESS.includes(error.status) ? error.message : undefined);
    }
  }

  #lost(reason) {
    this.#begin(this.#symbol);
    this.state = reason === undefined ? "reconnecting" : "rejected";
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    const pause = longest * (0.5 + Math.random() / 2); // random, so that pages do not all reconnect at the same time
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(this.#symbol), pause);
    this.callbacks.onState(this.state, pause, reason);
  }
}

// Returns the snapshot with its next part. `snapshot` is null before the first part.
function joined(snapshot, part) {
  if (snapshot === null) return part;
  if (part.type !== "snapshot_part") throw new Gap();
  for (const name of ["levels", "orders", "trades"]) snapshot[name]?.push(...part[name]);
  return snapshot;
}
