"""A crash before or after a commit: asking again comes to the same as if it had gone well at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub_position.domain.cash import MovementKind
from hub_position.domain.placing import HoldRequest
from hub_position.domain.trade import Side
from hub_position.usecases import reprice_holds
from hub_runtime import CrashPointError
from hub_runtime.crash_points import armed
from tests.position.world import Owner, World, execution, hold_of, replacing
from tests.support.crash_points import crash_points

Act = Callable[[], Awaitable[Any]]


async def act(world: World, what: str, owner: Owner) -> Act:
    """Something to do, the same each time."""
    old = hold_of(owner, Side.BUY, "10", "100")
    await world.hold(old)
    new: HoldRequest = replace(hold_of(owner, Side.BUY, "6", "120"), replaced_hold_id=old.hold_id)
    await world.trade(owner, Side.BUY, "5", "100")
    executed, replaced = execution(old, "100", quantity="4"), replacing(old, new, quantity="4", count=1)
    acts: dict[str, Act] = {
        "holds": lambda: world.hold(new),
        "reprice": lambda: reprice_holds([(old.hold_id, Decimal(130))], pool=world.pool),
        "book": lambda: world.book([executed], replaced=[replaced]),
        "cash": lambda: world.move(owner, MovementKind.WITHDRAWAL, "-50", key="once"),
        "settle": world.settle_trades,
    }
    return acts[what]


# Those of corporate actions are in test_actions.
POINTS = [point for point in crash_points("position.") if not point.startswith("position.action.")]


@pytest.mark.parametrize("point", POINTS)
async def test_what_was_asked_again_after_a_crash_happened_once(world: World, point: str) -> None:
    what = point.split(".")[1]
    held, states = {"holds": 1000, "reprice": 1300, "book": 720, "cash": 1000, "settle": 1000}[what], []
    for crashes in (False, True):
        owner = await world.owner()
        repeat = await act(world, what, owner)
        if crashes:
            before = await world.books(owner)
            with armed(f"{point}=error"), pytest.raises(CrashPointError):
                await repeat()
            assert (await world.books(owner) == before) is point.endswith("before_commit")
        await repeat()
        account = (await world.balance(owner)).account
        states.append((account.settled, account.unsettled, account.held, account.version))
        await world.assert_balanced(owner)
    assert states[0] == states[1]
    assert states[1][2] == held
