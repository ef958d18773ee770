"""What a socket follows, and what of it its client does not have yet: the part that the fan-out sees.

Of each symbol only the newest frame waits: whatever the fan-out `shown` last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from hub_gateway.fanout import Fanout, Group, Join
from hub_gateway.frames import Frame
from hub_gateway.wire import Wire, framed


def patches(frames: Sequence[Frame]) -> bytes:
    return b'{"type":"quotes_patch","patches":[%b]}' % b",".join([frame.patch for frame in frames])


class Follower:
    """`updates` are written after the quotes, unless they are `held` back."""

    __slots__ = (
        "_fanout",
        "_missed",
        "_pending",
        "_resync",
        "blocked_at",
        "ended",
        "group",
        "held",
        "opened",
        "plain",
        "round",
        "silent_since",
        "symbols",
        "updates",
        "wire",
    )
    join: Join = staticmethod(patches)

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        # What it follows; of that, what it has no snapshot of, and what changed while it could not be told.
        self.symbols: frozenset[str] = frozenset()
        self._pending: set[str] = set()
        self._missed: set[str] = set()
        self._resync = ""
        self.updates: deque[bytes] = deque()
        self.held = False
        self.opened = False
        self.ended = False
        self.blocked_at: float | None = None
        self.silent_since = asyncio.get_running_loop().time()
        self.wire: Wire
        self.group: Group | None = None
        self.round = 0
        self.plain = True

    def follow(self, names: Iterable[str]) -> None:
        """These too. A snapshot comes first, also where it is asked for again."""
        asked = frozenset(names)
        self._pending |= asked
        self._set_symbols(self.symbols | asked)
        if asked:
            self.plain = False
            self._fanout.wake(self)

    def unfollow(self, names: Iterable[str]) -> None:
        self._pending.difference_update(names)
        self._missed.difference_update(names)
        self._set_symbols(self.symbols.difference(names))

    def _set_symbols(self, symbols: frozenset[str]) -> None:
        if symbols != self.symbols:
            self.symbols = symbols
            self._fanout.follow(self, symbols)

    def resync_epoch(self, symbol: str) -> None:
        if symbol not in self._pending:
            self.resync("epoch")

    def resync(self, reason: Literal["slow", "epoch"]) -> None:
        """The next frames come as snapshots again."""
        if self.ended:
            return
        self._resync = reason
        self._pending |= self.symbols
        self.plain = False
        self._fanout.wake(self)

    def behind(self, due: Sequence[str], message: bytes) -> bool:
        if (
            self.blocked_at is None
            and not self._resync
            and not self._missed
            and self._pending.isdisjoint(due)
        ):
            self.wire.send(message)
            return True
        self._missed.update(due)
        return False

    def hurry(self) -> None:
        """Does not wait for the next round, where that would tell nothing else of these symbols."""
        if not self._resync and self._fanout.settled(self._pending):
            self.catch_up()

    def catch_up(self) -> None:
        if not self.opened or self.blocked_at is not None or self.ended:
            return
        shown = self._fanout.shown
        fresh = [shown[name] for name in sorted(self._pending) if name in shown]
        changed = [shown[name] for name in sorted(self._missed - self._pending)]
        resync, self._resync = self._resync, ""
        self._missed.clear()
        self._pending.difference_update([frame.symbol for frame in fresh])
        self.plain = not self._pending
        texts = self._told(resync, fresh, changed)
        while self.updates and not self.held:
            texts.append(self.updates.popleft())
        if texts:
            self.write(b"".join([framed(text) for text in texts]))

    def _told(self, resync: str, fresh: Sequence[Frame], changed: Sequence[Frame]) -> list[bytes]:
        """In the order a client wants it."""
        texts = [b'{"type":"resync","reason":"%b"}' % resync.encode()] if resync else []
        texts += [frame.snapshot for frame in fresh]
        if changed:
            texts.append(patches(changed))
        return texts

    def write(self, frames: bytes) -> None:
        self.silent_since = asyncio.get_running_loop().time()
        self.wire.send(frames)
