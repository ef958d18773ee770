"""Stops calling a peer that keeps failing. pybreaker keeps the state; awaiting happens outside of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, TypeVar

import grpc
import pybreaker

from hub_errors import Unavailable
from hub_rpc.status import answered
from hub_runtime.log import get_logger
from hub_runtime.metrics import gauge

R = TypeVar("R")

log = get_logger("breaker")

_STATE_NUMBER: Final = {pybreaker.STATE_CLOSED: 0, pybreaker.STATE_HALF_OPEN: 1, pybreaker.STATE_OPEN: 2}
_COUNTED: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
    }
)


# Long enough to spare a peer that is down the calls, short enough that one that only restarts is missed no
# longer than its restart takes.
OPEN_S: Final = 2.0


class Outcome(Enum):
    """What a call says about the health of its peer."""

    GOOD = "good"
    BAD = "bad"
    SILENT = "silent"


def outcome_of(error: Exception) -> Outcome:
    if not isinstance(error, grpc.aio.AioRpcError) or error.code() == grpc.StatusCode.CANCELLED:
        return Outcome.SILENT  # it failed on our side
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and answered(error):
        return Outcome.GOOD  # a limit of one caller, told by a service that is well
    return Outcome.BAD if error.code() in _COUNTED else Outcome.GOOD


class Breaker:
    """After `failures` in a row no call passes for `open_s`; then a single probe decides."""

    def __init__(self, peer: str, *, failures: int = 5, open_s: float = OPEN_S) -> None:
        self._peer = peer
        self._open_for = timedelta(seconds=open_s)
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures,
            reset_timeout=open_s,
            state_storage=self._storage,
            name=peer,
            throw_new_error_on_trip=False,
        )
        self._probing = False
        self._gauge = gauge("hub_rpc_breaker_state", "0 closed, 1 half-open, 2 open", ("peer",)).labels(peer)
        self._gauge.set(0)

    @property
    def state(self) -> str:
        return str(self._storage.state)

    async def call(self, send: Callable[[], Awaitable[R]]) -> R:
        """A cancelled call says nothing about the peer and changes nothing."""
        probe = self._admit()
        try:
            result = await send()
        except Exception as error:
            self._record(error, outcome_of(error), probe=probe)
            raise
        else:
            self._record(None, Outcome.GOOD, probe=probe)
            return result
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        if self._storage.state == pybreaker.STATE_OPEN:
            opened_at = self._storage.opened_at
            if opened_at is not None and datetime.now(UTC) < opened_at + self._open_for:
                raise self._refusal()
            self._breaker.half_open()
            self._tell()
        if self._storage.state != pybreaker.STATE_HALF_OPEN:
            return False
        if self._probing:
            raise self._refusal()
        self._probing = True
        return True

    def _record(self, error: Exception | None, outcome: Outcome, *, probe: bool) -> None:
        before = self._storage.state
        # Calls that left before the state changed no longer matter: the probe decides.
        if outcome is Outcome.SILENT or (before != pybreaker.STATE_CLOSED and not probe):
            return
        if outcome is Outcome.GOOD or error is None:
            self._breaker.call(lambda: None)
        else:
            self._replay(error)
        if self._storage.state != before:
            self._tell()

    def _replay(self, error: Exception) -> None:
        def fail() -> None:
            raise error

        try:
            self._breaker.call(fail)
        except Exception as replayed:
            if replayed is not error:
                raise

    def _tell(self) -> None:
        state = str(self._storage.state)
        self._gauge.set(_STATE_NUMBER[state])
        log.warning("breaker_changed", peer=self._peer, state=state)

    def _refusal(self) -> Unavailable:
        return Unavailable("A part of the platform is not available now.", code="peer_unavailable")
