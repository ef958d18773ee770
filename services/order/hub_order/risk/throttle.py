"""How many orders each account has sent within the last minute."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from uuid import UUID

WINDOW_S = 60.0
SLICE_S = 1.0
MOST_ACCOUNTS = 100_000


@dataclass(slots=True)
class _Sent:
    """Counts per slice of time, oldest first."""

    slices: deque[list[int]] = field(default_factory=deque)
    total: int = 0


class Throttle:
    """A sliding window that moves in steps of a second: within no minute an account sends more than it may.

    It counts what this process was sent. An account that has sent nothing for a minute is forgotten, and so
    is the one that has sent nothing for longest when there are more than `most_accounts`.
    """

    def __init__(self, *, most_accounts: int = MOST_ACCOUNTS) -> None:
        self._accounts: OrderedDict[UUID, _Sent] = OrderedDict()
        self._most_accounts = most_accounts

    def __len__(self) -> int:
        return len(self._accounts)

    def take(self, account_id: UUID, *, most: int, now: float) -> float | None:
        """Counts one order at this monotonic time. Where it is one too many it is not counted, and the answer
        is in how many seconds the next one may come."""
        current = int(now // SLICE_S)
        oldest = current - int(WINDOW_S / SLICE_S)
        sent = self._accounts.get(account_id)
        if sent is None:
            sent = self._accounts[account_id] = _Sent()
        else:
            self._accounts.move_to_end(account_id)
        while sent.slices and sent.slices[0][0] < oldest:
            sent.total -= sent.slices.popleft()[1]
        if sent.total >= most:
            return self._wait_s(sent, most, now)
        if sent.slices and sent.slices[-1][0] >= current:
            sent.slices[-1][1] += 1
        else:
            sent.slices.append([current, 1])
        sent.total += 1
        self._forget(oldest)
        return None

    def _wait_s(self, sent: _Sent, most: int, now: float) -> float:
        """Until enough of the oldest slices have left the window."""
        left = sent.total
        for number, count in sent.slices:
            left -= count
            if left < most:
                return (number + 1) * SLICE_S + WINDOW_S - now
        return WINDOW_S

    def _forget(self, oldest: int) -> None:
        """Those that were silent for longest stand first; two at a time keep up with those that come."""
        for _ in range(2):
            account_id, sent = next(iter(self._accounts.items()))
            silent = not sent.slices or sent.slices[-1][0] < oldest
            if not silent and len(self._accounts) <= self._most_accounts:
                return
            del self._accounts[account_id]
