"""What a client knows of quotes: snapshots taken, patches applied. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]


class Document:
    """`quotes` by symbol. What `take` raises is never the client's fault: the protocol was broken."""

    def __init__(self) -> None:
        self.quotes: dict[str, dict[str, Any]] = {}
        self._places: dict[str, tuple[int, int]] = {}

    def place(self, symbol: str) -> tuple[int, int] | None:
        """(epoch, seq) of the quote."""
        return self._places.get(symbol)

    def keep_only(self, followed: Iterable[str]) -> None:
        for symbol in set(self.quotes).difference(followed):
            del self.quotes[symbol], self._places[symbol]

    def snapshot(self, message: Message) -> None:
        symbol = message["symbol"]
        self.quotes[symbol] = dict(message["quote"])
        self._places[symbol] = (message["epoch"], message["seq"])

    def patch(self, patches: Iterable[Message]) -> tuple[list[str], list[str]]:
        """The symbols that have changed, and those for which there is no base: ask for a snapshot of them."""
        changed, missing = [], []
        for patch in patches:
            symbol, place = patch["symbol"], (patch["epoch"], patch["seq"])
            before = self._places.get(symbol)
            if before is None or before[0] != place[0]:
                missing.append(symbol)
            elif place > before:
                self._apply(patch["ops"])
                self._places[symbol] = place
                changed.append(symbol)
        return changed, missing

    def _apply(self, operations: Sequence[Message]) -> None:
        """RFC 6902, as far as the stream uses it."""
        for operation in operations:
            root, *parts = [_unescape(part) for part in operation["path"].split("/")[1:]]
            if operation["op"] != "replace" or root != "quotes" or len(parts) != 2:
                raise ValueError(f"cannot {operation['op']} {operation['path']}")
            quote, field = self.quotes[parts[0]], parts[1]
            if field not in quote:
                raise ValueError(f"there is nothing at {operation['path']}")
            quote[field] = operation["value"]


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
