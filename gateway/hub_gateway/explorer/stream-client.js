// A client of /api/v1/stream: keeps a document with the quotes it follows, and comes back by itself.
//
//   import { StreamClient } from "/docs/stream-client.js";
//   const client = new StreamClient("wss://hub.example.com/api/v1/stream", { token: () => accessToken });
//   client.on("quotes", symbols => console.log(symbols, client.document.quotes));
//   client.subscribe(["AAPL", "MSFT"]);
//   client.start();
//
// Events: quotes (the symbols that have changed), order, position, account (an update), orders (open orders and the
// balance), unknown (symbols that there are not), error (of the server's), state ("connecting", "open", "waiting" or "closed").
// It depends on nothing; where there is no WebSocket, hand one over.

const FATAL = new Set([1003, 1007, 1008, 1009]); // we have said something that will not be taken the next time either
const unescape = part => part.replaceAll("~1", "/").replaceAll("~0", "~");

/** Applies operations of RFC 6902 that replace; any other would be one we do not know. */
export function applyReplace(document, operations) {
  for (const { op, path, value } of operations) {
    const parts = path.split("/").slice(1).map(unescape);
    const last = parts.pop();
    const target = parts.reduce((found, part) => found?.[part], document);
    if (op !== "replace" || target === undefined || !Object.hasOwn(target, last)) {
      throw new Error(`cannot ${op} ${path}`);
    }
    target[last] = value;
  }
}

export class StreamClient {
  #handlers = new Map();
  #symbols = new Set();
  #orders = false;
  #places = new Map(); // symbol -> [epoch, seq]
  #versions = new Map(); // what of the account -> the highest version told
  #socket = null;
  #ready = false; // authenticated
  #tries = 0;
  #retry = null;
  #silence = null;
  #stopped = true;

  /** token: a text, or a function that answers one (a promise may), asked at every connection. silence: after so many ms without a message the connection is given up. */
  constructor(url, { token, WebSocket = globalThis.WebSocket, silence = 45_000, minWait = 250, maxWait = 15_000 } = {}) {
    Object.assign(this, { url, token, WebSocket, silence, minWait, maxWait });
    this.document = { quotes: {} };
  }

  on(event, handler) {
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
    return this;
  }

  start() {
    this.#stopped = false;
    this.#connect();
    return this;
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#socket?.close(1000);
    this.#emit("state", "closed");
  }

  subscribe(symbols, { orders = false } = {}) {
    symbols.forEach(symbol => this.#symbols.add(symbol));
    this.#orders ||= orders;
    this.#say({ type: "subscribe", symbols, orders });
  }

  unsubscribe(symbols, { orders = false } = {}) {
    symbols.forEach(symbol => this.#symbols.delete(symbol));
    if (orders) this.#orders = false;
    this.#say({ type: "unsubscribe", symbols, orders });
  }

  /** A newer token of the same account, before the old one expires. */
  async renew() {
    const token = await this.#token();
    if (this.#ready) this.#socket.send(JSON.stringify({ type: "auth", token }));
  }

  #token() {
    return typeof this.token === "function" ? this.token() : this.token;
  }

  #emit(event, ...told) {
    for (const handler of this.#handlers.get(event) ?? []) handler(...told);
  }

  #say(message) {
    if (this.#ready) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    this.#emit("state", "connecting");
    const socket = (this.#socket = new this.WebSocket(this.url));
    this.#ready = false;
    socket.onopen = async () => {
      try {
        socket.send(JSON.stringify({ type: "auth", token: await this.#token() }));
      } catch (error) {
        this.#emit("error", { code: "token_missing", detail: String(error) });
        socket.close();
      }
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#listen();
      this.#take(JSON.parse(data));
    };
    socket.onerror = () => {}; // onclose follows
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#again(code);
    };
    this.#listen();
  }

  /** The server says something at least every 15 s: silence means that nobody is there. */
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const socket = this.#socket;
      this.#again(1006);
      socket.close();
    }, this.silence);
    this.#silence.unref?.();
  }

  #again(code) {
    clearTimeout(this.#silence);
    this.#socket = null;
    this.#ready = false;
    if (this.#stopped) return;
    if (FATAL.has(code)) {
      this.stop();
      return;
    }
    const most = Math.min(this.maxWait, this.minWait * 2 ** this.#tries++);
    this.#emit("state", "waiting");
    // Somewhere below the most: after a restart of the server not everybody comes back in the same moment.
    this.#retry = setTimeout(() => this.#connect(), most * Math.random());
  }

  #take(message) {
    switch (message.type) {
      case "authenticated":
        this.#open();
        break;
      case "subscribed":
        this.#forget(new Set(message.symbols));
        if (message.unknown) this.#emit("unknown", message.unknown);
        break;
      case "quotes_snapshot":
        this.document.quotes[message.symbol] = message.quote;
        this.#places.set(message.symbol, [message.epoch, message.seq]);
        this.#emit("quotes", [message.symbol]);
        break;
      case "quotes_patch":
        this.#patch(message.patches);
        break;
      case "orders_snapshot":
        this.#versions.clear();
        this.#emit("orders", message);
        break;
      case "order_update":
        this.#update("order", message.order_id, message);
        break;
      case "position_update":
        this.#update("position", message.symbol, message);
        break;
      case "account_update":
        this.#update("account", message.account_id, message);
        break;
      case "error":
        this.#emit("error", message);
        break;
    } // heartbeat and resync ask for nothing; what is not known yet is passed over
  }

  #open() {
    if (this.#ready) return; // a newer token
    this.#ready = true;
    this.#tries = 0;
    this.#emit("state", "open");
    if (this.#symbols.size || this.#orders) {
      this.#say({ type: "subscribe", symbols: [...this.#symbols], orders: this.#orders });
    }
  }

  #forget(followed) {
    for (const symbol of Object.keys(this.document.quotes)) {
      if (followed.has(symbol)) continue;
      delete this.document.quotes[symbol];
      this.#places.delete(symbol);
    }
  }

  #patch(patches) {
    const changed = [];
    for (const { symbol, epoch, seq, ops } of patches) {
      const place = this.#places.get(symbol);
      if (!place || place[0] !== epoch) {
        this.#say({ type: "subscribe", symbols: [symbol] }); // no base to apply it to: a snapshot comes
        continue;
      }
      if (seq <= place[1]) continue;
      applyReplace(this.document, ops);
      this.#places.set(symbol, [epoch, seq]);
      changed.push(symbol);
    }
    if (changed.length) this.#emit("quotes", changed);
  }

  #update(kind, id, message) {
    const key = `${kind} ${id}`;
    if ((this.#versions.get(key) ?? -1) >= message.version) return;
    this.#versions.set(key, message.version);
    this.#emit(kind, message[kind]);
  }
}
