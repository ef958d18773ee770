"""`python -m hub_order verify-audit`: a line for each fault, counts, and an exit code."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from hub_errors import Unavailable
from hub_order.verify import verify_audit
from hub_runtime import DatabaseSettings
from tests.order.house import House
from tests.order.inspection import anchored, today
from tests.support.tokens import TokenUser as User


def settings(house: House, **fields: str) -> DatabaseSettings:
    login = house.database.runtime
    values = {"database_url": login.url, **fields}
    return DatabaseSettings(database_password_file=login.password_file, **values)  # type: ignore[arg-type]


@pytest.fixture
async def order_id(house: House, user: User) -> UUID:
    made = await house.accepted(user)
    await house.execute(made)
    return made


async def test_it_says_what_it_counted_and_ends_with_0(
    house: House, order_id: UUID, capsys: pytest.CaptureFixture[str]
) -> None:
    [anchor] = await anchored(house)
    capsys.readouterr()
    assert await verify_audit(settings(house), []) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 orders, 2 records, 1 executions, 0 refusals, 1 days: nothing is wrong",
        f"anchored until {today()}, digest {anchor.digest.hex()}",
    ]


@pytest.mark.parametrize("scope", ["everything", "since", "order"])
async def test_it_names_what_is_wrong_and_ends_with_1(
    house: House, order_id: UUID, scope: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await house.tamper("UPDATE order_events SET actor = 'nobody' WHERE version = 1")
    arguments = {"everything": [], "since": [f"--since={today()}"], "order": ["--order", str(order_id)]}
    capsys.readouterr()
    assert await verify_audit(settings(house), arguments[scope]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"order {order_id}: record 1 was changed",
        "1 orders, 2 records, 1 executions, 0 refusals, 0 days: 1 faults",
    ]


async def test_an_order_that_does_not_exist_is_said_to_be_missing(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verify_audit(settings(house), ["--order", str(uuid4())]) == 1
    assert "there is no order" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--since", "yesterday"], ["--order", "7"], ["--since=2026-01-01", f"--order={uuid4()}"]]
)
async def test_wrong_arguments_are_told_with_code_2(house: House, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        await verify_audit(settings(house), arguments)
    assert left.value.code == 2


async def test_a_database_that_is_away_is_not_taken_for_a_history_without_faults(house: House) -> None:
    with pytest.raises(Unavailable):
        await verify_audit(settings(house, database_url="postgresql://hub_order@127.0.0.1:1/hub_order"), [])
