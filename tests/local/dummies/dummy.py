"""A process with the manners of a service: settings, admin endpoint, a log line, SIGTERM."""

import asyncio
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import asyncpg


class Admin(BaseHTTPRequestHandler):
    """/readyz, which says yes as soon as it can speak."""

    def do_GET(self) -> None:
        body = json.dumps({"ready": True, "checks": {}}).encode()
        self.send_response(200 if self.path == "/readyz" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


async def migrate(password: str) -> None:
    connection = await asyncpg.connect(os.environ["HUB_DATABASE_URL"], password=password)
    await connection.execute("CREATE TABLE IF NOT EXISTS run (at timestamptz DEFAULT now())")
    await connection.execute("INSERT INTO run DEFAULT VALUES")
    await connection.close()


def main(name: str) -> None:
    if os.environ.get("HUB_BROKEN") == name:
        sys.exit("HUB_BROKEN: says that this process is broken")
    if sys.argv[1:] == ["migrate"]:
        asyncio.run(migrate(Path(os.environ["HUB_DATABASE_PASSWORD_FILE"]).read_text().strip()))
        return
    if {"verify-audit", "reconcile"} & set(sys.argv):
        role = os.environ["HUB_DATABASE_URL"].rpartition("/")[2]
        asked = Path(os.environ["HUB_LOCAL_STATE"]) / "asked"
        asked.write_text(f"{' '.join(sys.argv[1:])} as {role}")
        sys.exit(1)
    if os.environ.get("HUB_STUBBORN") == name:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    host, _, port = os.environ["HUB_ADMIN_ADDRESS"].partition(":")
    server = HTTPServer((host, int(port)), Admin)
    entry = {"service": name, "event": "started", "highlight": True, "text": f"{name} says hello"}
    sys.stderr.write(f"{json.dumps(entry)}\n")
    server.serve_forever()
