"""What clients of the live stream see while quote-stream is killed, or stands still, under a running feed.

Promised is: sockets stay open, with nothing but heartbeats, and afterwards it is as if nothing had been. The
epoch is the same, so patches go on from what a client has; a snapshot comes to who asks for it.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

import pytest

from hub_local.stack import Stack
from tests.support.jobs import eventually
from tests.system.screens import Screen, screens
from tests.system.user import NewUser, User

SYMBOLS = ["AAPL", "IBM", "MSFT"]
SETS = [SYMBOLS, SYMBOLS, ["AAPL"], ["MSFT", "IBM"], ["IBM"], SYMBOLS]
Outage = Callable[[Stack], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(stack: Stack) -> AsyncIterator[None]:
    """By SIGKILL; it is not started again before the block ends."""
    child = stack.children["quote-stream"]
    child.kill(signal.SIGSTOP)  # so that it never hears that it was asked to end
    await child.stop(limit=0.1)
    assert child.program.stop_signal is not signal.SIGKILL
    yield
    child.start()


@asynccontextmanager
async def paused(stack: Stack) -> AsyncIterator[None]:
    child = stack.children["quote-stream"]
    child.kill(signal.SIGSTOP)
    try:
        yield
    finally:
        child.kill(signal.SIGCONT)


async def rest(user: User, symbol: str) -> str:
    """A buy that stays open; its id."""
    bid = Decimal((await user.get(f"/api/v1/market-data/{symbol}"))["bid"])
    price = str((bid / 2).quantize(Decimal("0.01")))
    order = await user.buy(symbol, "1", type="LIMIT", limit_price=price)
    return str(order["order_id"])


async def quiet(watched: list[Screen]) -> None:
    """Until each has been told that nothing else happens."""
    for each in watched:
        each.kinds.clear()
    await eventually(lambda: all(each.kinds["heartbeat"] for each in watched))


async def moving(watched: list[Screen]) -> None:
    """Until each has newer quotes of all its symbols."""
    before = [dict(each.follower.place) for each in watched]
    await eventually(
        lambda: all(each.moved(places) for each, places in zip(watched, before, strict=True)), 60
    )


def knows(owner: Screen, order_id: str) -> bool:
    """Whether it was told of the order: by an update, or by the owners' list of open orders."""
    listed = {order["order_id"] for each in owner.snapshots() for order in each["orders"]}
    return order_id in listed | {each.get("order_id") for each in owner.account}


def executed(owner: Screen, order_id: str) -> bool:
    """Whether an update has said so."""
    updates = [each for each in owner.account if each.get("order_id") == order_id]
    return any(each["order"]["status"] == "EXECUTED" for each in updates)


@pytest.mark.parametrize("outage", [killed, paused])
async def test_sockets_stay_open_and_miss_nothing_while_quote_stream_is_away(
    outage: Outage, stack: Stack, new_user: NewUser
) -> None:
    owner, other = await new_user(), await new_user()
    async with (
        screens(stack, [owner], [SYMBOLS], orders=True) as (own,),
        screens(stack, [owner, other], SETS) as watched,
    ):
        everybody = [own, *watched]
        await eventually(lambda: all(each.complete for each in everybody) and bool(own.snapshots()))
        await moving(everybody)
        before = await rest(owner, "IBM")
        await eventually(lambda: knows(own, before))
        asked = len(own.snapshots())

        async with outage(stack):
            await quiet(everybody)
            meanwhile = await rest(owner, "MSFT")
            filled = await owner.final((await owner.buy("AAPL", "2"))["order_id"])
            assert filled["status"] == "EXECUTED"
            await owner.position("AAPL", "2")
            # Who comes now is served what there is.
            async with screens(stack, [other], [SYMBOLS]) as (late,):
                await eventually(lambda: late.complete)
            assert not knows(own, meanwhile)

        await moving(everybody)
        await eventually(lambda: knows(own, meanwhile))
        async with screens(stack, [other], [SYMBOLS]) as (fresh,):
            await eventually(lambda: all(fresh.agrees(each) for each in (own, watched[0])))
        own.kinds.clear()
        await own.ask_again()
        await eventually(lambda: own.kinds["quotes_snapshot"] == len(SYMBOLS))
        if len(own.snapshots()) > asked:  # what was missed is in what the owners say
            first, again = own.snapshots()[0], own.snapshots()[-1]
            assert {before, meanwhile} == {order["order_id"] for order in again["orders"]}
            assert Decimal(again["balance"]["cash"]) < Decimal(first["balance"]["cash"])
        else:  # nothing was missed
            assert outage is paused
            await eventually(lambda: executed(own, filled["order_id"]))
        last = await owner.buy("AAPL", "1")
        await eventually(lambda: executed(own, last["order_id"]))
    await stack.wait_ready()
