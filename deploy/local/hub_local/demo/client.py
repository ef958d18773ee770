"""The public HTTP interface as the demonstration uses it: every request is shown with its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from hub_local.demo.screen import Screen

REQUEST_TIME_S = 10.0
POLL_S = 0.25

Document = dict[str, Any]


class DemoError(Exception):
    """The story did not go as it should; the text says where."""


class Client:
    def __init__(self, http: httpx.AsyncClient, screen: Screen) -> None:
        self._http = http
        self._screen = screen

    def use(self, access_token: str) -> None:
        self._http.headers["authorization"] = f"Bearer {access_token}"

    @property
    def authorization(self) -> str:
        return self._http.headers["authorization"]

    async def get(self, path: str, *, show: bool = True) -> Document:
        return await self._send("GET", path, expect=200, show=show)

    async def post(
        self, path: str, body: Mapping[str, Any], *, expect: int, headers: Mapping[str, str] | None = None
    ) -> Document:
        return await self._send("POST", path, expect=expect, body=body, headers=headers)

    async def patch(self, path: str, body: Mapping[str, Any], *, expect: int) -> Document:
        return await self._send("PATCH", path, expect=expect, body=body)

    async def until(
        self, path: str, enough: Callable[[Document], bool], *, what: str, within_s: float
    ) -> Document:
        """Reads until it is as expected, then shows the request once."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    document = await self.get(path, show=False)
                    if enough(document):
                        break
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise DemoError(f"{what}: not within {within_s:.0f} s") from None
        self._screen.request(f"GET {path}", "200 OK")
        return document

    async def _send(
        self,
        method: str,
        path: str,
        *,
        expect: int,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        show: bool = True,
    ) -> Document:
        try:
            answer = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise DemoError(f"{method} {path}: {type(error).__name__} {error}".strip()) from error
        if show:
            self._screen.request(f"{method} {path}", f"{answer.status_code} {answer.reason_phrase}")
        if answer.status_code != expect:
            raise DemoError(f"{method} {path}: {answer.status_code} instead of {expect}: {_why(answer)}")
        document: Document = answer.json()
        return document


def _why(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
