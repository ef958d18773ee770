"""A process that serves is stopped for longer than a hold may wait for its order, and goes on afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hub_order.domain import Status
from hub_order.settings import OrderSettings
from hub_runtime import uuid7
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Databases, Platform
from tests.support.jobs import eventually
from tests.support.talking import Talking, talking
from tests.support.tokens import TokenUser as User

SHORT, DEFAULT = timedelta(seconds=0.5), OrderSettings.hold_max_age


@pytest.fixture
async def serving(databases: Databases) -> AsyncIterator[Talking]:
    """It stops itself between the hold and the order."""
    order, position = databases.order.runtime, databases.position.runtime
    environment = {
        "ORDER": order.url,
        "ORDER_PASSWORD": order.password,
        "POSITION": position.url,
        "POSITION_PASSWORD": position.password,
        "CRASH_POINTS": "order.submit.after_hold=stop@1",
    }
    async with talking("tests.adversity.serving_process", **environment) as process:
        yield process


async def account_of(process: Talking) -> User:
    await eventually(lambda: any(line.startswith("account") for line in process.said))
    (line,) = [line for line in process.said if line.startswith("account")]
    _, account_id, user_id = line.split()
    return User("", UUID(user_id), UUID(account_id))


async def stopped(process: Talking) -> None:
    status = Path(f"/proc/{process.process.pid}/stat")
    await eventually(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")


@pytest.mark.parametrize(
    ("hold_max_age", "said"),
    [
        pytest.param(SHORT, "order_abandoned", id="a setting of half a second"),
        pytest.param(
            DEFAULT,
            "deadline_exceeded",
            id="as it is by default",
            marks=[pytest.mark.long, pytest.mark.timeout(240)],
        ),
    ],
)
async def test_an_order_whose_process_stood_still_is_given_up_and_cannot_come_late(
    both: Platform, serving: Talking, hold_max_age: timedelta, said: str
) -> None:
    """Fails where the sweeper releases a hold before it has taken the order's id, and where the accept does
    not see that the id is taken: the order would be there, and nothing held for it."""
    user = await account_of(serving)
    order_id = uuid7()
    serving.tell(f"order {order_id} 30")
    await stopped(serving)
    assert (await account(both, user)).held == 1050

    async def given_up() -> bool:
        await both.sweep(hold_max_age)
        return await both.count("orders", f"id = '{order_id}'") == 1

    await eventually(given_up, 2 * hold_max_age.total_seconds() + 30)
    assert (await account(both, user)).held == 0
    serving.go_on()
    await serving.says(said)
    order = await both.order(order_id)
    assert (order.status, order.reason) == (Status.FAILED, "ABANDONED")
    await both.through()
    await assert_right(both, [user])
    serving.tell(f"order {order_id} 10")
    await serving.says("order_abandoned")
    serving.tell(f"order {uuid7()} 10")
    await serving.says("accepted")
