// As much of a WebSocket as the client needs, for a Node that has none: text, ping and close.
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";

export class WebSocket {
  constructor(url) {
    const at = new URL(url.replace("ws", "http"));
    const key = randomBytes(16).toString("base64");
    const headers = {
      connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": key,
    };
    this.rest = Buffer.alloc(0);
    this.code = 1006;
    const asked = request({ host: at.hostname, port: at.port, path: at.pathname, headers, agent: false });
    asked.on("upgrade", (answer, socket, head) => {
      const expected = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      if (answer.headers["sec-websocket-accept"] !== expected) throw new Error("not the answer to our key");
      this.socket = socket;
      socket.on("data", data => this.read(data));
      socket.on("error", () => {});
      socket.on("close", () => this.onclose({ code: this.code }));
      this.onopen();
      this.read(head);
    });
    asked.on("response", () => this.onclose({ code: 1006 }));
    asked.on("error", () => this.onclose({ code: 1006 }));
    asked.end();
  }

  frame(opcode, data) {
    const size = data.length < 126 ? [0x80 | data.length] : [0xfe, data.length >> 8, data.length & 255];
    return Buffer.concat([Buffer.from([0x80 | opcode, ...size, 0, 0, 0, 0]), data]);
  }

  send(text) {
    this.socket.write(this.frame(1, Buffer.from(text)));
  }

  close(code = 1000) {
    this.socket?.end(this.frame(8, Buffer.from([code >> 8, code & 255])));
  }

  read(data) {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      if (this.rest.length < 2) return;
      let size = this.rest[1], head = 2;
      if (size === 126 && this.rest.length >= 4) [size, head] = [this.rest.readUInt16BE(2), 4];
      else if (size === 127 && this.rest.length >= 10) [size, head] = [Number(this.rest.readBigUInt64BE(2)), 10];
      else if (size > 125) return;
      if (this.rest.length < head + size) return;
      const opcode = this.rest[0] & 15, payload = this.rest.subarray(head, head + size);
      this.rest = this.rest.subarray(head + size);
      if (opcode === 1) this.onmessage({ data: payload.toString() });
      if (opcode === 9) this.socket.write(this.frame(10, payload));
      if (opcode === 8) {
        this.code = payload.length ? payload.readUInt16BE(0) : 1005;
        this.close(this.code);
      }
    }
  }
}
