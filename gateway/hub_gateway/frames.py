"""The newest frame of every symbol, and the sockets that want them. Reads nothing from anywhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from hub.quote_stream.v1 import quote_stream_pb2
from hub_runtime.metrics import counter, gauge

REMEMBERED_UPDATES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One symbol at one tick, as text that is sent to everybody as it is."""

    symbol: str
    epoch: int
    seq: int
    snapshot: str
    patch: str


@dataclass(frozen=True, slots=True)
class Update:
    """Something that happened to an account."""

    account_id: str
    event_id: str
    text: str


class Reader(Protocol):
    """A socket, as the fan-out sees one. Nothing here may wait or fail."""

    def on_frame(self, frame: Frame) -> None: ...

    def on_update(self, update: Update) -> None: ...

    def on_gap(self) -> None:
        """Updates may have been missed."""


def frame_of(message: quote_stream_pb2.QuoteFrame) -> Frame:
    head = f'"symbol":"{message.symbol}","epoch":{message.epoch},"seq":{message.seq}'
    return Frame(
        symbol=message.symbol,
        epoch=message.epoch,
        seq=message.seq,
        snapshot=f'{{"type":"quotes_snapshot",{head},"quote":{message.quote_json.decode()}}}',
        patch=f'{{{head},"ops":[{message.patch_json.decode()}]}}',
    )


def update_of(message: quote_stream_pb2.AccountUpdate) -> Update:
    """{"type": "order_update", "event_id", "order_id", "version", "order"}; the other kinds are alike."""
    kind = message.kind
    subject = {"order": "order_id", "position": "symbol", "account": "account_id"}.get(kind, "subject_id")
    text = (
        f'{{"type":"{kind}_update","event_id":"{message.event_id}","{subject}":"{message.subject_id}",'
        f'"version":{message.version},"{kind}":{message.update_json.decode()}}}'
    )
    return Update(account_id=message.account_id, event_id=message.event_id, text=text)


class Frames:
    """The newest frame of every symbol, and who reads what."""

    def __init__(self) -> None:
        self._newest: dict[str, Frame] = {}
        self._symbols: dict[str, set[Reader]] = {}
        self._accounts: dict[str, set[Reader]] = {}
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.connected = False
        self._received = counter("hub_gateway_frames_total", "Quote frames received from quote-stream.")
        self._up = gauge("hub_gateway_upstream_connected", "Whether the stream of frames is open.")

    def state(self) -> str:
        return "ok" if self.connected else "no frames from quote-stream"

    @property
    def newest(self) -> Mapping[str, Frame]:
        return self._newest

    def read_symbol(self, reader: Reader, symbol: str) -> None:
        self._symbols.setdefault(symbol, set()).add(reader)

    def leave_symbol(self, reader: Reader, symbol: str) -> None:
        _discard(self._symbols, symbol, reader)

    def read_account(self, reader: Reader, account_id: str) -> None:
        self._accounts.setdefault(account_id, set()).add(reader)

    def leave_account(self, reader: Reader, account_id: str) -> None:
        _discard(self._accounts, account_id, reader)

    def apply(self, response: quote_stream_pb2.StreamFramesResponse) -> None:
        for message in response.frames:
            newest = self._newest.get(message.symbol)
            if newest is not None and (message.epoch, message.seq) <= (newest.epoch, newest.seq):
                continue
            frame = self._newest[message.symbol] = frame_of(message)
            self._received.inc()
            for reader in self._symbols.get(message.symbol, ()):
                reader.on_frame(frame)
        for update in response.updates:
            if not self._known((update.event_id, update.subject_id)):
                for reader in self._accounts.get(update.account_id, ()):
                    reader.on_update(update_of(update))

    def gap(self) -> None:
        """Whatever happened to accounts in between is not known: every reader asks the owners again."""
        for readers in self._accounts.values():
            for reader in readers:
                reader.on_gap()

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


def _discard(readers: dict[str, set[Reader]], key: str, reader: Reader) -> None:
    found = readers.get(key)
    if found is not None:
        found.discard(reader)
        if not found:
            del readers[key]
