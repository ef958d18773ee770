"""What a socket may cost, and how many an account may have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hub_errors import Exhausted


@dataclass(frozen=True, kw_only=True)
class SocketLimits:
    sockets: int = 10_000  # of the process
    per_account: int = 50
    symbols: int = 500
    updates: int = 256  # of the account, waiting to be sent
    replies: int = 64
    messages: int = 20  # from the client, in a second
    lags: int = 5  # how often it may fall behind before it has to go
    frame_s: float = 0.1  # between two sends
    heartbeat_s: float = 15.0
    auth_s: float = 5.0
    ping_s: float = 20.0  # of silence from the client
    pong_s: float = 20.0
    slow_s: float = 2.0  # what takes longer to go out makes the client start from snapshots again
    drop_s: float = 10.0

    @property
    def watch_s(self) -> float:
        """How often each socket is looked after."""
        return min(1.0, self.heartbeat_s / 2, self.auth_s / 2, self.drop_s / 2)


class Roster:
    """The sockets of each account."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def join(self, account_id: str) -> None:
        if self._counts[account_id] >= self._most:
            raise Exhausted(
                "The account has too many open sockets.", code="too_many_sockets", retry_after_s=10
            )
        self._counts[account_id] += 1

    def leave(self, account_id: str) -> None:
        self._counts[account_id] -= 1
        if self._counts[account_id] <= 0:
            del self._counts[account_id]
