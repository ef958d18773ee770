// node --test: the client alone, with a socket that does what the test says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const { StreamClient, applyReplace } = await import(pathToFileURL(process.env.STREAM_CLIENT));

class Socket {
  static all = [];
  sent = [];
  constructor() {
    Socket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code = 1000) {
    this.closed = code;
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
const settle = () => new Promise(resolve => setTimeout(resolve, 5));
const quote = (seq, bid) => ({ symbol: "A/B", epoch: 1, seq, quote: { symbol: "A/B", bid } });
const patch = (seq, value, epoch = 1) => ({
  type: "quotes_patch",
  patches: [{ symbol: "A/B", epoch, seq, ops: [{ op: "replace", path: "/quotes/A~1B/bid", value }] }],
});

async function opened(options = {}) {
  Socket.all = [];
  const client = new StreamClient("ws://x", { token: "t", WebSocket: Socket, minWait: 1, maxWait: 2, ...options });
  client.subscribe(["A/B"]);
  client.start();
  const [socket] = Socket.all;
  await socket.onopen();
  socket.say({ type: "authenticated", account_id: "a" });
  return [client, socket];
}

test("it says who it is, then what it follows", async () => {
  const [client, socket] = await opened();
  assert.deepEqual(socket.sent, [
    { type: "auth", token: "t" },
    { type: "subscribe", symbols: ["A/B"], orders: false },
  ]);
  client.stop();
});

test("a snapshot is a base, a patch goes on from it, an old one is passed over", async () => {
  const [client, socket] = await opened();
  socket.say({ type: "quotes_snapshot", ...quote(3, "1") });
  socket.say(patch(5, "2"));
  socket.say(patch(4, "old"));
  assert.equal(client.document.quotes["A/B"].bid, "2");
  client.stop();
});

test("without a base of the epoch it asks for one", async () => {
  const [client, socket] = await opened();
  socket.say(patch(1, "2"));
  socket.say({ type: "quotes_snapshot", ...quote(3, "1") });
  socket.say(patch(1, "2", 2));
  assert.equal(socket.sent.filter(({ type }) => type === "subscribe").length, 3);
  assert.equal(client.document.quotes["A/B"].bid, "1");
  client.stop();
});

test("it comes back after a close, and asks for all again", async () => {
  const [client, socket] = await opened();
  client.subscribe(["C"], { orders: true });
  socket.onclose({ code: 1012 });
  await settle();
  const again = Socket.all[1];
  await again.onopen();
  again.say({ type: "authenticated", account_id: "a" });
  assert.deepEqual(again.sent[1], { type: "subscribe", symbols: ["A/B", "C"], orders: true });
  socket.onclose({ code: 1006 }); // the old one, once more
  assert.equal(Socket.all.length, 2);
  client.stop();
});

test("what will not be taken the next time either ends it", async () => {
  const [client, socket] = await opened();
  const states = [];
  client.on("state", state => states.push(state));
  socket.onclose({ code: 1009 });
  await settle();
  assert.equal(Socket.all.length, 1);
  assert.deepEqual(states, ["closed"]);
});

test("a connection on which nothing comes is given up", async () => {
  const [client, socket] = await opened({ silence: 10 });
  await new Promise(resolve => setTimeout(resolve, 40));
  assert.equal(socket.closed, 1000);
  assert.ok(Socket.all.length > 1);
  client.stop();
});

test("of the account the highest version counts", async () => {
  const [client, socket] = await opened();
  const seen = [];
  client.on("order", order => seen.push(order));
  for (const version of [1, 3, 2]) socket.say({ type: "order_update", order_id: "o", version, order: version });
  assert.deepEqual(seen, [1, 3]);
  client.stop();
});

test("an operation that is not known is not guessed at", () => {
  const document = { quotes: { A: { bid: "1" } } };
  for (const [op, path] of [["add", "/quotes/A/bid"], ["replace", "/quotes/A/x"], ["replace", "/quotes/B/bid"]]) {
    assert.throws(() => applyReplace(document, [{ op, path, value: "2" }]));
  }
  assert.throws(() => applyReplace(document, [{ op: "replace", path: "/__proto__/polluted", value: "2" }]));
});
