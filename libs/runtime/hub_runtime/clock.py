"""Wall time, passed in wherever a rule depends on it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Answers the time, always UTC-aware."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def utc_text(seconds: int, nanoseconds: int) -> str:
    """RFC 3339 in UTC with microseconds, of a time since 1970. Many are asked for within one second."""
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
