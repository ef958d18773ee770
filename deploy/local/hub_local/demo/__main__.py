"""`python -m hub_local.demo --gateway URL`: tells the story and ends with `demo: OK`, or with why not."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

import httpx

from hub_local.demo.client import REQUEST_TIME_S, Client, DemoError
from hub_local.demo.screen import Screen
from hub_local.demo.story import Story

LONGEST_S = 420.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hub_local.demo", description=__doc__)
    parser.add_argument(
        "--gateway", default="http://127.0.0.1:8080", help="where the gateway is (%(default)s)"
    )
    parser.add_argument(
        "--email", default=f"demo-{secrets.token_hex(4)}@example.com", help="default: a new one"
    )
    parser.add_argument("--password", default=secrets.token_urlsafe(15), help="default: a new one")
    return parser.parse_args()


async def demonstrate(options: argparse.Namespace, screen: Screen) -> None:
    gateway = options.gateway.rstrip("/")
    screen.title("Hub Investments: one order, all the way", gateway)
    # The environment's proxies are for the world outside.
    async with (
        asyncio.timeout(LONGEST_S),
        httpx.AsyncClient(base_url=gateway, timeout=REQUEST_TIME_S, trust_env=False) as http,
    ):
        await Story(
            client=Client(http, screen),
            screen=screen,
            stream_url=f"ws{gateway.removeprefix('http')}/api/v1/stream",
            email=options.email,
            password=options.password,
        ).tell()


def failure_of(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, DemoError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"it took longer than {LONGEST_S:.0f} s"
    return f"{type(error).__name__}: {error}"


def main() -> int:
    screen = Screen(sys.stdout)
    try:
        asyncio.run(demonstrate(arguments(), screen))
    except KeyboardInterrupt:
        screen.verdict("interrupted")
        return 130
    except Exception as error:  # noqa: BLE001 - the last line tells it, and the exit code
        screen.verdict(failure_of(error))
        return 1
    screen.verdict(None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
