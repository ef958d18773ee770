"""The newest frame of every symbol, and who wants the updates of an account. Reads nothing from anywhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from hub.quote_stream.v1 import quote_stream_pb2
from hub_gateway.interest import Interest
from hub_runtime.metrics import counter, gauge

REMEMBERED_UPDATES: Final = 20_000


class Frame(NamedTuple):
    """One symbol at one tick, as text that is sent to everybody as it is."""

    symbol: str
    epoch: int
    seq: int
    quote: bytes
    patch: bytes

    @property
    def snapshot(self) -> bytes:
        """Made where somebody begins; most frames are never asked for it."""
        return b'{"type":"quotes_snapshot",%b,"quote":%b}' % (
            _head(self.symbol, self.epoch, self.seq),
            self.quote,
        )


@dataclass(frozen=True, slots=True)
class Update:
    """Something that happened to an account."""

    account_id: str
    event_id: str
    text: bytes


class OnFrame(Protocol):
    """Whoever is told of every new frame; nothing here may wait or fail."""

    def __call__(self, frame: Frame) -> None: ...


class Reader(Protocol):
    """A socket that wants the updates of its account. Nothing here may wait or fail."""

    def on_update(self, update: Update) -> None: ...

    def on_gap(self) -> None:
        """Updates may have been missed."""


def frame_of(message: quote_stream_pb2.QuoteFrame) -> Frame:
    symbol, epoch, seq = message.symbol, message.epoch, message.seq
    patch = b'{%b,"ops":[%b]}' % (_head(symbol, epoch, seq), message.patch_json)
    return Frame(symbol, epoch, seq, message.quote_json, patch)


def _head(symbol: str, epoch: int, seq: int) -> bytes:
    return f'"symbol":"{symbol}","epoch":{epoch},"seq":{seq}'.encode()


def update_of(message: quote_stream_pb2.AccountUpdate) -> Update:
    """{"type": "order_update", "event_id", "order_id", "version", "order"}; the other kinds are alike."""
    kind = message.kind
    subject = {"order": "order_id", "position": "symbol", "account": "account_id"}.get(kind, "subject_id")
    text = (
        f'{{"type":"{kind}_update","event_id":"{message.event_id}","{subject}":"{message.subject_id}",'
        f'"version":{message.version},"{kind}":{message.update_json.decode()}}}'
    )
    return Update(account_id=message.account_id, event_id=message.event_id, text=text.encode())


class Frames:
    """The newest frame of every symbol, and who reads which account."""

    def __init__(self) -> None:
        self._newest: dict[str, Frame] = {}
        self._accounts: dict[str, set[Reader]] = {}
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.interest = Interest()
        self.on_frame: OnFrame = _nobody
        self.connected = False
        self._complete = False
        self._received = counter("hub_gateway_frames_total", "Quote frames received from quote-stream.")
        self._up = gauge("hub_gateway_upstream_connected", "Whether the stream of frames is open.")

    def state(self) -> str:
        return "ok" if self.connected else "no frames from quote-stream"

    @property
    def newest(self) -> Mapping[str, Frame]:
        return self._newest

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Symbols that there are not. While a process begins nobody can say: others may come yet."""
        return [name for name in names if name not in self._newest] if self._complete else []

    def read_account(self, reader: Reader, account_id: str) -> None:
        """It is told that updates may have been missed as soon as none is missed any more."""
        self._accounts.setdefault(account_id, set()).add(reader)
        if self.interest.add(account_id):
            reader.on_gap()

    def leave_account(self, reader: Reader, account_id: str) -> None:
        readers = self._accounts.get(account_id)
        if readers is None:
            return
        readers.discard(reader)
        if not readers:
            del self._accounts[account_id]
            self.interest.remove(account_id)

    def apply(self, frames: Iterable[quote_stream_pb2.QuoteFrame], *, more: bool = False) -> None:
        received = 0
        for message in frames:
            frame = frame_of(message)
            newest = self._newest.get(frame.symbol)
            if newest is not None and (frame.epoch, frame.seq) <= (newest.epoch, newest.seq):
                continue
            self._newest[frame.symbol] = frame
            received += 1
            self.on_frame(frame)
        self._received.inc(received)
        self._complete = self._complete or (bool(self._newest) and not more)

    def update(self, updates: Iterable[quote_stream_pb2.AccountUpdate]) -> None:
        for update in updates:
            if not self._known((update.event_id, update.subject_id)):
                for reader in self._accounts.get(update.account_id, ()):
                    reader.on_update(update_of(update))

    def watched(self, accounts: Iterable[str]) -> None:
        """From now on every update of these comes; what there was before, their owners know."""
        for account_id in accounts:
            for reader in self._accounts.get(account_id, ()):
                reader.on_gap()

    def gap(self) -> None:
        """Whatever happened to accounts in between is not known: every reader asks the owners again."""
        self.watched(list(self._accounts))

    def _known(self, update: tuple[str, str]) -> bool:
        """Streams overlap when one takes over from another. An event may be about several things."""
        if update in self._seen:
            return True
        self._seen[update] = None
        if len(self._seen) > REMEMBERED_UPDATES:
            self._seen.popitem(last=False)
        return False

    @contextmanager
    def up(self) -> Iterator[None]:
        self.connected = True
        self._up.set(1)
        try:
            yield
        finally:
            self.connected = False
            self._up.set(0)


def _nobody(frame: Frame) -> None:
    """Where no sockets are served."""
