"""Redis beside the database, for what is asked often. It may be slow or away: that is never an error here."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub_errors import Unavailable
from hub_market_data.domain.instruments import Statistics
from hub_runtime import counter, get_logger

TIMEOUT_S: Final = 0.2
PAUSE_S: Final = 1.0  # how long Redis is left alone after it failed
PROBE_S: Final = 2.0
LIFE_S: Final = 300
JITTER: Final = 0.1
LIFE_OF_NOTHING_S: Final = 30

log = get_logger("cache")


class Cache:
    """The statistics of symbols; None for one that has none. `watch` is its forever-job."""

    def __init__(self, redis: Redis, *, now: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._now = now
        self._left_alone_until = 0.0
        self._state = "not asked yet"
        self._answers = counter(
            "hub_market_cache_total", "Symbols looked up in the cache, by result", ("result",)
        )

    def state(self) -> str:
        """For people. The service is ready without it."""
        return self._state

    async def watch(self) -> None:
        while True:
            await self._asked(self._redis.ping)
            await asyncio.sleep(PROBE_S)

    async def read(self, symbols: Sequence[str]) -> dict[str, Statistics | None]:
        """Of those that are there."""
        values = await self._asked(lambda: self._redis.mget([_key(symbol) for symbol in symbols]))
        if values is None:
            self._answers.labels("away").inc(len(symbols))
            return {}
        found = {}
        for symbol, value in zip(symbols, values, strict=True):
            try:
                found[symbol] = _unpacked(symbol, value)
            except (ValueError, TypeError, KeyError, InvalidOperation):
                self._answers.labels("miss").inc()
            else:
                self._answers.labels("hit" if found[symbol] else "hit_nothing").inc()
        return found

    async def write(self, found: Mapping[str, Statistics | None]) -> bool:
        """Whether it could be written down."""

        async def store() -> Any:
            async with self._redis.pipeline(transaction=False) as pipe:
                for symbol, statistics in found.items():
                    pipe.set(_key(symbol), _packed(symbol, statistics), ex=_life_s(statistics))
                return await pipe.execute()

        return await self._asked(store) is not None

    async def forget(self, symbols: Iterable[str]) -> int:
        """How many were there. Raises Unavailable, because what is not forgotten goes on to be answered."""
        count = await self._asked(lambda: self._redis.delete(*map(_key, symbols)), now=True)
        if count is None:
            raise Unavailable("The cache cannot be reached.", code="cache_unavailable")
        return int(count)

    async def _asked(self, ask: Callable[[], Any], *, now: bool = False) -> Any:
        """The answer, None without one."""
        if not now and self._now() < self._left_alone_until:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            self._left_alone_until = self._now() + PAUSE_S
            if self._state != "away":
                log.warning("redis_unavailable", error=type(error).__name__)
            self._state = "away"
            return None
        self._left_alone_until = 0.0
        self._state = "ok"
        return answer


def _key(symbol: str) -> str:
    return f"market_data:{symbol}"


def _life_s(statistics: Statistics | None) -> int:
    """Spread, so that what was written together does not have to be read together again."""
    if statistics is None:
        return LIFE_OF_NOTHING_S
    return round(LIFE_S * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret


def _packed(symbol: str, statistics: Statistics | None) -> str:
    """The value names its symbol: an answer that belongs to another question is noticed."""
    fields = None
    if statistics is not None:
        fields = {name: None if value is None else str(value) for name, value in asdict(statistics).items()}
    return json.dumps({"symbol": symbol, "statistics": fields})


def _unpacked(symbol: str, value: bytes) -> Statistics | None:
    """Raises one of several errors for what `_packed` has not written for this symbol."""
    known = json.loads(value)
    if known["symbol"] != symbol:
        log.error("cache_answered_for_another_symbol", symbol=symbol)
        raise ValueError(symbol)
    fields = known["statistics"]
    if fields is None:
        return None
    return Statistics(**{name: None if text is None else Decimal(text) for name, text in fields.items()})
