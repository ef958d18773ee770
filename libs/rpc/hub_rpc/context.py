"""What belongs to the call being served or made: who calls, for whom, until when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_caller: ContextVar[str] = ContextVar("hub_rpc_caller", default="")
_bearer: ContextVar[str] = ContextVar("hub_rpc_bearer", default="")
_deadline: ContextVar[float | None] = ContextVar("hub_rpc_deadline", default=None)
_calling_as: ContextVar[str] = ContextVar("hub_rpc_calling_as", default="")


def caller() -> str:
    """The name in the certificate of the peer whose call is being served; empty outside of one."""
    return _caller.get()


def bearer_token() -> str:
    """The access token that came with the call being served; empty when none did."""
    return _bearer.get()


def remaining_s() -> float | None:
    """Seconds until whoever waits for us gives up; None when nobody said."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


def outgoing_token() -> str:
    return _calling_as.get()


def serve_as(*, peer: str, token: str, timeout_s: float | None) -> None:
    """Set once per served call, in the call's own context."""
    _caller.set(peer)
    _bearer.set(token)
    _deadline.set(None if timeout_s is None else time.monotonic() + timeout_s)


@contextmanager
def calling_as(token: str) -> Iterator[None]:
    """Calls made inside carry this user's access token. A token is never passed on without this."""
    reset = _calling_as.set(token)
    try:
        yield
    finally:
        _calling_as.reset(reset)


@contextmanager
def within(timeout_s: float) -> Iterator[None]:
    """Calls made inside end after `timeout_s` together, or earlier where a deadline already says so."""
    deadline = time.monotonic() + timeout_s
    known = _deadline.get()
    reset = _deadline.set(deadline if known is None else min(known, deadline))
    try:
        yield
    finally:
        _deadline.reset(reset)
