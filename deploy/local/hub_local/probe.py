"""One HTTP GET to a loopback port, and what a process says of its readiness. Plain: it runs often."""

import asyncio
import json

from hub_local.ports import HOST

LIMIT = 2.0


async def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 when nobody answers."""
    try:
        async with asyncio.timeout(LIMIT):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]) if len(words) > 1 else 0), body


async def not_ready(port: int) -> str | None:
    """None when the process is ready, else what it is waiting for."""
    status, body = await get(port, "/readyz")
    if status == 200:
        return None
    if status == 0:
        return "no answer"
    try:
        checks: dict[str, str] = json.loads(body)["checks"]
    except (ValueError, KeyError, TypeError):
        return f"answers {status}"
    return (
        ", ".join(f"{name}: {reason}" for name, reason in checks.items() if reason != "ok")
        or f"answers {status}"
    )
