"""How long the feed here has been certain to hear of every price: what a quote that does not change owes its
being current to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub_market_data.board import Board
from hub_market_data.domain.ticks import FeedLife

# It is told with every message, and so is not made anew for each tick.
GRAIN: Final = timedelta(seconds=0.5)


class Pulse:
    """While the feed has lost its source, what is known of it stays and grows old. A feed that is stalled
    says nothing of any quote; what it missed nobody knows, so after either a new life begins."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._since: datetime | None = None

    def beat(self, unheard_s: float | None, at: datetime, *, stalled: bool) -> None:
        if stalled:
            self._board.life = self._since = None
        elif unheard_s is None:
            self._since = None
        else:
            self._live(at, at - timedelta(seconds=unheard_s))

    def _live(self, at: datetime, until: datetime) -> None:
        known = self._board.life
        if self._since is None:
            self._since = at
        elif known is not None and known.since == self._since and until - known.until < GRAIN:
            return
        self._board.life = FeedLife(epoch=self._board.epoch, since=self._since, until=until)
