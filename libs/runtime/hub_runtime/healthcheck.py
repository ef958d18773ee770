"""For a container's health check: asks the admin endpoint of the process beside it; exit code 0: all is well.

Needs nothing but a few modules of Python, and imports nothing of ours, as it is started every few seconds:
`python -I -S healthcheck.py [/livez]`.
"""

import os
import socket
import sys

TIMEOUT_S = 2.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - whoever listens everywhere is asked here


def ask(address: str, path: str) -> str | None:
    """Why not, None when all is well."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((_EVERYWHERE.get(host, host), int(port)), TIMEOUT_S) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            answer = connection.makefile("rb").read(64 * 1024)
    except (OSError, ValueError) as error:
        return f"{address} does not answer: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] == [b"200"]:
        return None
    return body.decode(errors="replace").strip() or "no answer"


def main() -> int:
    path = sys.argv[1] if len(sys.argv) > 1 else "/readyz"
    reason = ask(os.environ.get("HUB_ADMIN_ADDRESS", ""), path)
    if reason is not None:
        sys.stdout.write(f"{reason}\n")
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main())
