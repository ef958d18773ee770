// node follow.mjs CLIENT URL TOKEN SYMBOL...: tells by lines of JSON what the client is told, until its input ends.
import { pathToFileURL } from "node:url";
import { WebSocket } from "./socket.mjs";

const [path, url, token, ...symbols] = process.argv.slice(2);
const { StreamClient } = await import(pathToFileURL(path));
const client = new StreamClient(url, { token: async () => token, WebSocket, minWait: 10, maxWait: 100 });
const tell = (event, about) => process.stdout.write(`${JSON.stringify({ event, about })}\n`);
for (const event of ["state", "unknown", "error", "orders", "order"]) client.on(event, about => tell(event, about));
client.on("quotes", () => tell("quotes", client.document.quotes));
client.subscribe(symbols, { orders: true });
client.start();
process.stdin.on("data", line => client.unsubscribe([line.toString().trim()]));
process.stdin.on("end", () => {
  client.stop();
  process.exit(0);
});
