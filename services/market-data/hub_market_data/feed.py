"""What the feeder needs from a source of prices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from hub_market_data.domain.ticks import Tick


class Feed(Protocol):
    """Plays or receives prices; its market time never goes back."""

    @property
    def kind(self) -> str:
        """A feed continues only where one of its own kind has been."""
        ...

    def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        """What happens, as it happens, at most one tick of a symbol in each group. A group without a tick
        says that it lives, and what time it is."""
        ...

    def market_time(self) -> datetime | None:
        """Its own time as of the last group; None before the first."""
        ...

    def unheard_s(self) -> float | None:
        """How long ago it was last certain to hear of every price; None: it is not connected to where prices
        come from, or has come to their end."""
        ...

    def move_to(self, market_time: datetime) -> None:
        """Its market time goes on from there, unless it is there already."""
        ...

    def place(self) -> str:
        """Where it is, for a successor."""
        ...
