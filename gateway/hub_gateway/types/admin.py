"""What administrators did."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Time, described


class CacheTouched(Answer, frozen=True):
    """How many entries were forgotten or read."""

    count: Annotated[int, described("Entries.", 2)]


class MarketTime(Answer, frozen=True):
    """The market's own clock."""

    market_time: Time | None
