"""Files of comma-separated values, written page by page while they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hub_errors import HubError
from hub_gateway.csv_text import csv_rows
from hub_gateway.exchange import Request, Response, Streamed
from hub_runtime import get_logger

log = get_logger("files")

CSV: Final = "text/csv"
MOST_ROWS: Final = 100_000
PAGE_TIME_S: Final = 15.0  # for a page of a file to come, and to be read by the client


@dataclass(frozen=True)
class Page:
    """Rows, and the token of the next page; empty on the last. What the first says ends the file's name."""

    rows: Sequence[Sequence[str | Decimal]]
    token: str
    ending: str = ""


Ask = Callable[[str], Awaitable[Page]]
"""Answers the page of a token. It counts each as a request, and needs a token of access that is good."""


async def csv_file(request: Request, name: str, columns: Sequence[str], ask: Ask) -> Response:
    """At most MOST_ROWS rows, or a page more."""
    # Before the answer begins: what is refused gets a problem document.
    page = await ask("")
    headers = [
        (b"content-type", b"text/csv; charset=utf-8; header=present"),
        (b"content-disposition", f'attachment; filename="{name}{page.ending}.csv"'.encode()),
    ]
    return Streamed(200, headers=headers, parts=_parts(request, columns, ask, page))


async def _parts(request: Request, columns: Sequence[str], ask: Ask, page: Page) -> AsyncIterator[bytes]:
    """The names, then page by page."""
    yield csv_rows([columns])
    rows = 0
    while True:
        request.allow_more_time(PAGE_TIME_S)
        rows += len(page.rows)
        yield csv_rows(page.rows)
        if not page.token or rows >= MOST_ROWS or await request.abandoned():
            return
        try:
            page = await ask(page.token)
        except HubError as error:
            log.warning("file_broken_off", code=error.code, rows=rows)
            raise
