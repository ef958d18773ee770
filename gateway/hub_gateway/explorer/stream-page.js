// The page at /docs/stream.html.
import { StreamClient } from "/docs/stream-client.js";

const at = id => document.getElementById(id);
let client = null;

function row(quote) {
  const line = document.createElement("tr");
  for (const field of ["symbol", "bid", "ask", "last"]) {
    line.appendChild(document.createElement("td")).textContent = quote[field];
  }
  return line;
}

at("form").addEventListener("submit", event => {
  event.preventDefault();
  client?.stop();
  const url = `${location.origin.replace("http", "ws")}/api/v1/stream`;
  client = new StreamClient(url, { token: () => at("token").value });
  client.on("state", state => (at("state").textContent = state));
  client.on("quotes", () => at("quotes").replaceChildren(...Object.values(client.document.quotes).map(row)));
  client.on("unknown", symbols => (at("told").textContent = `not known: ${symbols.join(", ")}`));
  client.on("error", ({ code, detail }) => (at("told").textContent = `${code} ${detail ?? ""}`));
  client.subscribe(at("symbols").value.split(",").map(text => text.trim()).filter(Boolean));
  client.start();
});
