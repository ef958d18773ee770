"""The JSON of a quote, made once per tick: the object, and the operations that turn any older one into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from hub.quote_stream.v1 import quote_stream_pb2
from hub_market_client import Quote
from hub_money import to_text


def _when(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _number(name: str) -> Callable[[Quote], str]:
    def read(quote: Quote) -> str:
        value: Decimal = getattr(quote, name)
        return to_text(value)

    return read


# All that can change about a quote. The symbol cannot; epoch and seq stand beside the object.
MUTABLE: Final[Mapping[str, Callable[[Quote], str]]] = {
    **{
        name: _number(name)
        for name in (
            "bid",
            "bid_size",
            "ask",
            "ask_size",
            "last",
            "open",
            "high",
            "low",
            "previous_close",
            "volume",
        )
    },
    "market_time": lambda quote: _when(quote.market_time),
    "received_at": lambda quote: _when(quote.received_at),
}


def frame(quote: Quote) -> quote_stream_pb2.QuoteFrame:
    values = {name: read(quote) for name, read in MUTABLE.items()}
    return quote_stream_pb2.QuoteFrame(
        symbol=quote.symbol,
        epoch=quote.epoch,
        seq=quote.seq,
        quote_json=msgspec.json.encode({"symbol": quote.symbol, **values}),
        patch_json=b",".join(
            msgspec.json.encode(operation) for operation in operations(quote.symbol, values)
        ),
    )


def operations(symbol: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """A replace of every mutable field: right on any earlier state of the epoch: frames may be skipped."""
    path = f"/quotes/{_escape(symbol)}"
    return [{"op": "replace", "path": f"{path}/{name}", "value": value} for name, value in values.items()]


def _escape(text: str) -> str:
    """RFC 6901."""
    return text.replace("~", "~0").replace("/", "~1")
