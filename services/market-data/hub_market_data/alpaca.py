"""The alpaca feed: a client of Alpaca's live stream of market data, or of anything that speaks like it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from hub_market_data.alpaca_protocol import (
    REFUSALS,
    SUBSCRIBED,
    Codec,
    Day,
    Market,
    Message,
    Said,
    Standing,
    StreamRefusedError,
    Trade,
    messages,
    packed,
    read,
)
from hub_market_data.alpaca_rest import Snapshots, snapshots_of
from hub_market_data.alpaca_standing import Standings
from hub_market_data.domain.tape import Tape
from hub_market_data.domain.ticks import Tick
from hub_runtime import Backoff, Clock, counter, get_logger

BEAT_S: Final = 0.25
ANSWER_S: Final = 10.0
PING_S: Final = 10.0
LARGEST_FRAME: Final = 2**20
# A clock that is further ahead than this is wrong.
AHEAD: Final = timedelta(minutes=1)
# Of one connection; how many there were, the metric says.
_TOLD: Final = 5

log = get_logger("alpaca")
# The library would log each frame where debugging is asked for, the one with the secret too.
_frames = logging.getLogger("hub_market_data.alpaca.frames")
_frames.setLevel(logging.INFO)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where, and as whom. The secret is asked for at each connect, so that a new one is taken."""

    url: str
    key_id: str
    secret: Callable[[], str]
    codec: Codec = "json"
    data_url: str = ""

    @property
    def snapshots(self) -> Snapshots | None:
        """None where there are none to be had."""
        url = snapshots_of(self.url, self.data_url)
        return Snapshots(url=url, key_id=self.key_id, secret=self.secret) if url else None


class Alpaca:
    """Connects again after every break, and subscribes anew. Market time is wall time. It has no place."""

    kind = "alpaca"

    def __init__(
        self,
        access: Access,
        symbols: Sequence[str],
        *,
        clock: Clock,
        market_time: datetime | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._symbols = list(symbols)
        self._clock = clock
        self._ahead = timedelta()
        self._market_time = market_time
        self._backoff = backoff or Backoff(1.0, 30.0)
        self._tapes = {symbol: Tape(symbol) for symbol in symbols}
        self._latest: dict[tuple[str, type], datetime] = {}
        self._faults = counter(
            "hub_market_feed_faults_total", "What of a feed could not be used, by kind", ("kind",)
        )
        self._told = 0
        self._now = now
        self._heard_at: float | None = None
        self._standing = Standings(access.snapshots, symbols, clock=clock, now=now)
        if market_time is not None:
            self.move_to(market_time)

    def market_time(self) -> datetime | None:
        return self._market_time

    def unheard_s(self) -> float | None:
        return None if self._heard_at is None else self._now() - self._heard_at

    def move_to(self, market_time: datetime) -> None:
        """The clock runs ahead from there; the prices are still those of now."""
        self._ahead = max(self._ahead, market_time - self._clock())

    def place(self) -> str:
        return ""

    async def ticks(self) -> AsyncIterator[Sequence[Tick]]:
        while True:
            wait_s = None
            try:
                async with aclosing(self._connection()) as groups:
                    async for group in groups:
                        self._tick_clock()
                        yield group
            except StreamRefusedError as error:
                self._faults.labels("refused").inc()
                text = f"the stream at {self._access.url} refuses: {error}"
                log.error("feed_refused", code=error.code, highlight=True, text=text)
                wait_s = self._backoff.max_s if error.code in REFUSALS else None
            except (WebSocketException, OSError, TimeoutError, ValueError) as error:
                self._faults.labels("connection").inc()
                log.warning("feed_connection_lost", error=repr(error))
            self._heard_at = None
            async for _ in _beats(wait_s or self._backoff.next_s()):
                self._tick_clock()
                yield ()

    async def _connection(self) -> AsyncGenerator[Sequence[Tick], None]:
        binary = self._access.codec == "msgpack"
        headers = {"Content-Type": "application/msgpack"} if binary else {}
        async with connect(
            self._access.url,
            additional_headers=headers,
            open_timeout=ANSWER_S,
            close_timeout=1.0,
            ping_interval=PING_S,
            ping_timeout=2 * PING_S,
            max_size=LARGEST_FRAME,
            logger=_frames,
        ) as socket:
            await self._subscribe(socket)
            self._told = 0
            log.info("feed_connected", url=self._access.url, symbols=len(self._symbols))
            self._standing.ask()
            try:
                async with aclosing(self._received(socket)) as groups:
                    async for group in groups:
                        yield group
            finally:
                self._standing.close()

    async def _received(self, socket: ClientConnection) -> AsyncGenerator[Sequence[Tick], None]:
        self._heard_at = self._now()
        pong = asyncio.ensure_future(await socket.ping())
        while True:
            if standing := self._standing.answered():
                yield self._stood(standing)
            try:
                async with asyncio.timeout(BEAT_S):
                    frame = await socket.recv()
            except TimeoutError:
                if pong.done():  # nothing happens, and the other end lives
                    self._heard_at = self._now()
                    pong = asyncio.ensure_future(await socket.ping())
                yield ()
                continue
            self._heard_at = self._now()
            for group in self._groups(self._taken(frame)):
                # Whoever is told something useful may be trusted to go on.
                self._backoff.reset()
                yield group

    async def _subscribe(self, socket: ClientConnection) -> None:
        async with asyncio.timeout(ANSWER_S):
            await self._hear(socket, "connected")
            key, secret = self._access.key_id, self._access.secret()
            await self._say(socket, {"action": "auth", "key": key, "secret": secret})
            await self._hear(socket, "authenticated")
            await self._say(socket, {"action": "subscribe", **dict.fromkeys(SUBSCRIBED, self._symbols)})
            await self._hear(socket, "subscription")

    async def _say(self, socket: ClientConnection, action: Mapping[str, Any]) -> None:
        await socket.send(packed(self._access.codec, action))

    async def _hear(self, socket: ClientConnection, what: str) -> None:
        while True:
            for message in messages(await socket.recv()):
                if read(message) == Said(what):
                    return

    def _taken(self, frame: str | bytes) -> Iterable[Message]:
        """What of a frame can be used."""
        try:
            parts = messages(frame)
        except ValueError as error:
            self._fault("message", error)
            return
        for part in parts:
            try:
                message = read(part)
            except ValueError as error:
                self._fault("message", error)
                continue
            if message is not None:
                yield message

    def _groups(self, taken: Iterable[Message]) -> Iterable[Sequence[Tick]]:
        """No symbol twice in a group."""
        group: dict[str, Tick] = {}
        for message in taken:
            tick = self._tick(message)
            if tick is None:
                continue
            if tick.symbol in group:
                yield list(group.values())
                group = {}
            group[tick.symbol] = tick
        if group:
            yield list(group.values())

    def _tick(self, message: Message) -> Tick | None:
        if isinstance(message, Said):
            return None
        tape = self._tapes.get(message.symbol)
        if tape is None:
            return None
        if isinstance(message, Day):
            tape.day_is(message.open, message.high, message.low, message.volume)
            return None
        if not self._is_timely(message):
            return None
        if isinstance(message, Trade):
            return tape.trade(message.price, message.size, message.at)
        changed = tape.quote(message.bid, message.bid_size, message.ask, message.ask_size)
        return tape.shown(message.at) if changed else None

    def _stood(self, standing: Iterable[Standing]) -> Sequence[Tick]:
        """What is newer than what the stream has told."""
        ticks = []
        for each in standing:
            tape = self._tapes.get(each.symbol)
            if tape is None:
                continue
            if each.previous_close is not None:
                tape.day_before(each.previous_close, self._clock())
            if each.day is not None:
                tape.day_is(each.day.open, each.day.high, each.day.low, each.day.volume)
            if each.trade is not None and self._is_news(each.trade):
                tape.last_was(each.trade.price)
            if (market := each.market) is not None and self._is_news(market):
                tape.quote(market.bid, market.bid_size, market.ask, market.ask_size)
            told = [self._latest.get((each.symbol, kind)) for kind in (Trade, Market)]
            if told[0] is not None:
                ticks.append(tape.shown(max(filter(None, told))))
        return ticks

    def _is_news(self, message: Trade | Market) -> bool:
        latest = self._latest.get((message.symbol, type(message)))
        return (latest is None or message.at > latest) and self._is_timely(message)

    def _is_timely(self, message: Trade | Market) -> bool:
        """What is older than what was told before is not shown any more."""
        latest = self._latest.get((message.symbol, type(message)))
        if message.at > self._clock() + AHEAD:
            self._fault("message", ValueError(f"{message.at.isoformat()} has not come yet"))
            return False
        if latest is not None and message.at < latest:
            self._faults.labels("late").inc()
            return False
        self._latest[message.symbol, type(message)] = message.at
        return True

    def _fault(self, kind: str, error: ValueError) -> None:
        self._faults.labels(kind).inc()
        self._told += 1
        if self._told <= _TOLD:
            log.warning("feed_message_broken", reason=str(error)[:200])

    def _tick_clock(self) -> None:
        now = self._clock() + self._ahead
        self._market_time = now if self._market_time is None else max(self._market_time, now)


async def _beats(seconds: float) -> AsyncIterator[None]:
    """For so long."""
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(BEAT_S, left))
        yield
