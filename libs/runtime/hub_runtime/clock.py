"""Wall time, passed in wherever a rule depends on it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Answers the time, always UTC-aware."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def since_epoch(time: datetime) -> tuple[int, int]:
    """Seconds and nanoseconds, as messages have them."""
    since = time - _EPOCH
    return since.days * 86_400 + since.seconds, since.microseconds * 1000


def utc_time(seconds: int, nanoseconds: int) -> datetime:
    """Of seconds and nanoseconds since 1970; what is below a microsecond is lost."""
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)


def utc_text(seconds: int, nanoseconds: int) -> str:
    """RFC 3339 in UTC with microseconds, of a time since 1970. Many are asked for within one second."""
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
