"""What a stream does not say: the close of the day before, and where each symbol stands. Asked for over HTTP.

Requests are rare, one at each connect and one a day, and are made in a thread.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit, urlunsplit

TIMEOUT_S: Final = 5.0
AT_ONCE: Final = 100
_LARGEST: Final = 2**22
# What a request fails with that may go well the next time.
FAILURES: Final = (OSError, HTTPException, ValueError)


def snapshots_of(stream_url: str, data_url: str) -> str:
    """Where snapshots are, for the same prices as the stream's (`.../v2/iex`). Alpaca's own streams have it
    beside them; of another one that does not say it, nowhere: empty."""
    stream = urlsplit(stream_url)
    feed = stream.path.rstrip("/").rpartition("/")[2]
    if not data_url and stream.netloc.startswith("stream.") and feed != "test":
        data_url = f"https://{stream.netloc.removeprefix('stream.')}"
    if not data_url:
        return ""
    place = urlsplit(data_url)
    path = f"{place.path.rstrip('/')}/v2/stocks/snapshots"
    return urlunsplit((place.scheme, place.netloc, path, urlencode({"feed": feed} if feed else {}), ""))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key is for nobody else."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """`url` as `snapshots_of` answers it. The secret is asked for at each request."""

    url: str
    key_id: str
    secret: Callable[[], str]

    async def read(self, symbols: Sequence[str]) -> Sequence[bytes]:
        """As they are answered, for some symbols each. Raises one of FAILURES."""
        groups = [symbols[start : start + AT_ONCE] for start in range(0, len(symbols), AT_ONCE)]
        return [await asyncio.to_thread(self._asked, group) for group in groups]

    def _asked(self, symbols: Sequence[str]) -> bytes:
        query = urlencode({"symbols": ",".join(symbols)})
        request = urllib.request.Request(  # noqa: S310 - settings allow http and https
            f"{self.url}{'&' if urlsplit(self.url).query else '?'}{query}",
            headers={"APCA-API-KEY-ID": self.key_id, "APCA-API-SECRET-KEY": self.secret()},
        )
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                body: bytes = answer.read(_LARGEST)
        except HTTPError as error:
            error.close()  # it is the answer, with its connection
            raise
        return body
