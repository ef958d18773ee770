"""A call that makes an order, sent until its outcome is known. Every re-send carries the same id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from hub_errors import (
    Conflict,
    Denied,
    Exhausted,
    HubError,
    Invalid,
    NotFound,
    Refused,
    Unauthenticated,
    Unavailable,
)
from hub_gateway.problems import InDoubt
from hub_gateway.submissions import LEAST_S
from hub_runtime.backoff import Backoff
from hub_runtime.log import get_logger

log = get_logger("submissions")

T = TypeVar("T")

# The order service's own word: the order does not exist.
_REFUSALS: Final = (Invalid, Unauthenticated, Denied, NotFound, Conflict, Refused, Exhausted)
# Not its word: the accepting transaction may have been done, or not.
_UNKNOWN: Final = frozenset({"peer_unavailable", "peer_overloaded", "database_unavailable", "stopping"})


async def until_known(
    call: Callable[[float], Awaitable[T]], *, order_id: str, keyed: bool, timeout_s: float
) -> T:
    """What `call`, given the seconds it has left, answers or refuses. InDoubt when nobody could say in time
    whether the order came to be."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    backoff = Backoff(0.05, 0.5)
    sent = False
    while True:
        try:
            return await call(until - loop.time())
        except HubError as error:
            if isinstance(error, (*_REFUSALS, Unavailable)) and error.code not in _UNKNOWN:
                raise
            left = isinstance(error.__cause__, grpc.RpcError)  # else our own end of the channel raised it
            sent = sent or left
            pause_s = backoff.next_s()
            again = left and isinstance(error, Unavailable) and loop.time() + pause_s + LEAST_S <= until
            if not again:
                if not sent:
                    raise
                log.warning("order_in_doubt", order_id=order_id, code=error.code)
                raise InDoubt(order_id, keyed=keyed) from error
        await asyncio.sleep(pause_s)
