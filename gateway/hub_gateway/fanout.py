"""From a tick to ten thousand sockets. Sockets that follow the same symbols are a group; what changed for a
group is joined and framed once, and the same bytes are written to every member.

One timer serves all: a round begins at once when nothing was sent for `frame_s`, else when that has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol
from uuid import uuid4

from hub_gateway.frames import Frame, Frames
from hub_gateway.wire import Wire, framed
from hub_runtime.log import get_logger
from hub_runtime.metrics import counter

log = get_logger("sockets")

SLICE_S: Final = 0.005  # a round lets others have their turn
REMEMBERED: Final = 512 * 1024  # bytes of messages, in one round; what is kept longer costs fresh memory
AT_A_TIME: Final = 64  # members of a group between two looks at the clock

Join = Callable[[Sequence[Frame]], bytes]
"""How a message says that symbols have changed."""


class Subscriber(Protocol):
    """A socket. `plain` says that whatever is new for its symbols may be written to it as it is."""

    wire: Wire
    plain: bool
    round: int  # the last in which it was written to
    group: Group | None

    @property
    def join(self) -> Join: ...

    def behind(self, due: Sequence[str], message: bytes) -> bool:
        """What a socket that is not plain does with a message; true where it took it."""

    def catch_up(self) -> None:
        """Writes what it alone has to be told, from the frames that are `shown`."""

    def resync_epoch(self, symbol: str) -> None:
        """Its frames of this symbol were of another epoch."""


class Group:
    """Sockets that follow the same symbols in the same language."""

    __slots__ = ("join", "members", "symbols")

    def __init__(self, symbols: Iterable[str], join: Join) -> None:
        self.symbols = sorted(symbols)
        self.join = join
        self.members: dict[Subscriber, None] = {}


class Fanout:
    """Who follows what, and the rounds. `shown` is every symbol as of the last round."""

    def __init__(self, frames: Frames, *, frame_s: float) -> None:
        self._frames = frames
        self._frame_s = frame_s
        self._groups: dict[tuple[Join, frozenset[str]], Group] = {}
        self._readers: dict[str, dict[Group, None]] = {}
        self._changed: dict[str, Frame] = dict(frames.newest)
        self._behind: dict[Subscriber, None] = {}
        self._waiting: asyncio.TimerHandle | None = None
        self._running = False
        self._began_at = float("-inf")
        self._round = 0
        self._sent = counter("hub_gateway_socket_frames_total", "Messages with quotes written to sockets.")
        self.shown: dict[str, Frame] = {}
        frames.on_frame = self.on_frame

    @property
    def newest(self) -> Mapping[str, Frame]:
        return self._frames.newest

    def follow(self, subscriber: Subscriber, symbols: frozenset[str]) -> None:
        """From now on these, and only these."""
        self.leave(subscriber)
        if not symbols:
            return
        key = (subscriber.join, symbols)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(symbols, subscriber.join)
            for symbol in symbols:
                self._readers.setdefault(symbol, {})[group] = None
        group.members[subscriber] = None
        subscriber.group = group

    def leave(self, subscriber: Subscriber) -> None:
        group, subscriber.group = subscriber.group, None
        if group is None:
            return
        del group.members[subscriber]
        if group.members:
            return
        del self._groups[group.join, frozenset(group.symbols)]
        for symbol in group.symbols:
            readers = self._readers[symbol]
            del readers[group]
            if not readers:
                del self._readers[symbol]

    def forget(self, subscriber: Subscriber) -> None:
        self.leave(subscriber)
        self._behind.pop(subscriber, None)

    def on_frame(self, frame: Frame) -> None:
        self._changed[frame.symbol] = frame
        self._schedule()

    def wake(self, subscriber: Subscriber) -> None:
        """It has something to catch up with; a socket that has ended takes nothing any more."""
        self._behind[subscriber] = None
        self._schedule()

    def settled(self, symbols: Iterable[str]) -> bool:
        """Whether what is shown of these is the newest there is, and everybody was told of it. While a round
        is under way nobody can say."""
        return not self._running and self._changed.keys().isdisjoint(symbols)

    def _schedule(self) -> None:
        if self._waiting is None and not self._running:
            loop = asyncio.get_running_loop()
            due_at = max(loop.time(), self._began_at + self._frame_s)
            self._waiting = loop.call_at(due_at, self._begin)

    def _begin(self) -> None:
        self._waiting = None
        self._running = True
        self._round += 1
        self._began_at = asyncio.get_running_loop().time()
        changed, self._changed = self._changed, {}
        for frame in changed.values():
            before = self.shown.get(frame.symbol)
            if before is not None and before.epoch != frame.epoch:
                self._resync(frame.symbol)
        self.shown |= changed
        self._go_on(self._rounds(changed))

    def _resync(self, symbol: str) -> None:
        """Its epoch is another than the one that was shown."""
        for group in self._readers.get(symbol, ()):
            for subscriber in group.members:
                subscriber.resync_epoch(symbol)

    def _go_on(self, steps: Iterator[None]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + SLICE_S
        try:
            for _ in steps:
                if loop.time() >= until:
                    loop.call_soon(self._go_on, steps)
                    return
        except Exception as error:
            log.error("round_failed", error_id=uuid4().hex[:12], exc_info=error)
        self._running = False
        if self._changed or self._behind:
            self._schedule()

    def _rounds(self, changed: dict[str, Frame]) -> Iterator[None]:
        """Yields where others may have their turn; sockets may come, go and change their symbols there."""
        messages: dict[tuple[Join, tuple[str, ...]], bytes] = {}
        room, sent = REMEMBERED, 0
        for group in self._touched(changed):
            due = tuple([symbol for symbol in group.symbols if symbol in changed])
            # Where all of its symbols have changed, hardly another group is told the same.
            kept = len(due) < len(group.symbols)
            message = messages.get((group.join, due)) if kept else None
            if message is None:
                message = framed(group.join([changed[symbol] for symbol in due]))
                if kept and (room := room - len(message)) > 0:
                    messages[group.join, due] = message
            members = list(group.members)
            for begin in range(0, len(members), AT_A_TIME):
                sent += self._tell(group, due, message, members[begin : begin + AT_A_TIME])
                yield
        self._sent.inc(sent)
        behind, self._behind = self._behind, {}
        for subscriber in behind:
            subscriber.catch_up()
            yield

    def _touched(self, changed: Mapping[str, Frame]) -> list[Group]:
        readers = [self._readers[symbol] for symbol in changed if symbol in self._readers]
        if sum(map(len, readers)) > len(self._groups):  # most are found more than once
            return [g for g in self._groups.values() if not changed.keys().isdisjoint(g.symbols)]
        found: dict[Group, None] = {}
        for groups in readers:
            found |= groups
        return list(found)

    def _tell(self, group: Group, due: Sequence[str], message: bytes, members: Iterable[Subscriber]) -> int:
        """How many were told."""
        number, sent = self._round, 0
        for subscriber in members:
            # Since the list was made it may have gone, or come from a group that was told already.
            if subscriber.group is not group or subscriber.round == number:
                continue
            if subscriber.plain:
                subscriber.round = number
                subscriber.wire.send(message)
                sent += 1
            elif subscriber.behind(due, message):
                subscriber.round = number
                sent += 1
            else:
                self._behind[subscriber] = None
        return sent
