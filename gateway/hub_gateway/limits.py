"""How often one may ask. Redis counts; each process draws leases of it, so most requests ask nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub_errors import Exhausted, Unavailable
from hub_runtime.log import get_logger
from hub_runtime.metrics import counter
from hub_runtime.tasks import heed_cancellation

log = get_logger("limits")

REDIS_TIME_S: Final = 0.25
CONNECT_TIME_S: Final = 2.0  # a name to look up and TLS: more than a request can wait for
WATCH_S: Final = 1.0
PAUSE_S: Final = 1.0  # how long Redis is left alone after it failed
MOST_SUBJECTS: Final = 200_000


class WithoutRedis(Enum):
    """What a rule does while Redis cannot be asked."""

    LOCAL = "count in this process"
    CLOSED = "refuse"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """At most `limit` in `window_s` for each subject."""

    name: str
    limit: int
    window_s: int = 60
    lease: int = 1
    without_redis: WithoutRedis = WithoutRedis.LOCAL


@dataclass(slots=True)
class _Bucket:
    """What this process may still spend for one subject in the running window."""

    leased: int = 0
    spent: int = 0
    empty: bool = False
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Window:
    index: int = -1
    buckets: dict[str, _Bucket] = field(default_factory=dict)


class Limits:
    """Fixed windows. Unspent leases are lost at the end of a window, at most one lease for each process."""

    def __init__(self, redis: Redis, *, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now
        self._windows: dict[str, _Window] = {}
        self._pause_until = 0.0
        self._refused = counter("hub_gateway_limited_total", "Requests refused by a rate limit.", ("rule",))

    async def watch(self) -> None:
        """Its forever-job: there is always a connection, so that no request has to wait for one."""
        while True:
            await self.connect()
            await asyncio.sleep(WATCH_S)

    async def connect(self) -> None:
        """Before the first request. Without Redis it goes on as well."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIME_S):
                await self._redis.ping()
        heed_cancellation()

    async def take(self, rule: Rule, subject: str) -> None:
        """One request of `subject`; raises Exhausted when there were too many."""
        bucket = self._bucket(rule, subject)
        if bucket.leased > 0:
            bucket.leased -= 1
            return
        async with bucket.drawing:
            if bucket.leased <= 0 and not bucket.empty:
                await self._draw(rule, subject, bucket)
            if bucket.leased <= 0:
                self._refused.labels(rule.name).inc()
                rest_s = rule.window_s - self._now() % rule.window_s
                raise Exhausted("Too many requests.", code="rate_limited", retry_after_s=rest_s)
            bucket.leased -= 1

    async def redis_state(self) -> str:
        """ok, or why Redis does not count now."""
        try:
            async with asyncio.timeout(REDIS_TIME_S):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            return f"away ({type(error).__name__})"
        return "ok"

    def _bucket(self, rule: Rule, subject: str) -> _Bucket:
        window = self._windows.setdefault(rule.name, _Window())
        index = int(self._now()) // rule.window_s
        if window.index != index or len(window.buckets) >= MOST_SUBJECTS:
            window.index, window.buckets = index, {}
        bucket = window.buckets.get(subject)
        if bucket is None:
            bucket = window.buckets[subject] = _Bucket()
        return bucket

    async def _draw(self, rule: Rule, subject: str, bucket: _Bucket) -> None:
        lease = min(rule.lease, rule.limit)
        try:
            before = await self._count(rule, subject, lease) - lease
        except (RedisError, OSError, TimeoutError) as error:
            if rule.without_redis is WithoutRedis.CLOSED:
                raise Unavailable("This is not possible at the moment.", code="limits_unavailable") from error
            before = bucket.spent
        granted = min(lease, rule.limit - before)
        bucket.leased = max(0, granted)
        bucket.spent += bucket.leased
        bucket.empty = granted < lease

    async def _count(self, rule: Rule, subject: str, lease: int) -> int:
        """Adds a lease to what all gateways took of the window, answers the sum."""
        clock = asyncio.get_running_loop().time
        if clock() < self._pause_until:
            raise TimeoutError
        key = f"limit:{rule.name}:{subject}:{int(self._now()) // rule.window_s}"
        try:
            async with asyncio.timeout(REDIS_TIME_S), self._redis.pipeline(transaction=True) as pipe:
                pipe.incrby(key, lease)
                pipe.expire(key, 2 * rule.window_s)
                total, _ = await pipe.execute()
                return int(total)
        except (RedisError, OSError, TimeoutError) as error:
            self._pause_until = clock() + PAUSE_S
            log.warning("redis_unavailable", error=type(error).__name__)
            raise
