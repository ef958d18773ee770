"""What venues did, newest first: to the caller's orders, or to all for those who look after all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Denied, HubError, Invalid, NotFound
from hub_identity import Principal
from hub_order import mapping_blotter
from hub_order.domain import Change, Order, Side, accepted, execution_id_of, fill
from hub_order.store import blotter as blotter_store
from hub_order.store import rows
from hub_order.store.blotter import Blotter
from hub_order.store.rows import INSERT_EXECUTIONS
from hub_order.usecases.blotter import list_executions, list_order_events
from hub_postgres import column_arrays
from tests.order import build
from tests.order.house import House
from tests.support.tokens import TokenUser as User

SECOND = timedelta(seconds=1)


def principal(account_id: UUID, *roles: str) -> Principal:
    return Principal(str(uuid4()), str(account_id), "", frozenset(roles or {"user"}), build.NOW)


async def filled(house: House, account_id: UUID, **fields: Any) -> Order:
    """An order that is executed at once, `second` seconds after noon."""
    second = fields.pop("second", 0)
    first = accepted(build.order(account_id=account_id, **fields), quote=None)
    venue_id = f"v-{first.order.order_id}"
    execution = build.execution(
        first.order, "10", venue_execution_id=venue_id, executed_at=build.NOW + second * SECOND
    )
    execution = replace(execution, execution_id=execution_id_of(first.order.order_id, venue_id))
    changes: list[Change] = [first, fill(first.order, execution)]
    order = changes[-1].order
    await house.pool.execute(rows.INSERT_ORDERS, *column_arrays([rows.order_values(order)]))
    await house.pool.execute(
        rows.INSERT_RECORDS, *column_arrays(rows.record_values(each) for each in changes)
    )
    await house.pool.execute(INSERT_EXECUTIONS, *column_arrays([rows.execution_values(execution)]))
    return order


async def pages(house: House, who: Principal, **fields: Any) -> list[list[order_pb2.BlotterEntry]]:
    """All of them, each from where the one before ended."""
    found, request = [], order_pb2.ListExecutionsRequest(**fields)
    while True:
        page = await list_executions(request, who, blotter=Blotter(house.pool))
        found.append(list(page.entries))
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def entries(house: House, who: Principal, **fields: Any) -> list[order_pb2.BlotterEntry]:
    return [entry for page in await pages(house, who, **fields) for entry in page]


async def test_an_execution_is_shown_beside_its_order(house: House) -> None:
    account_id = uuid4()
    order = await filled(house, account_id, side=Side.SELL, client_order_id="mine", second=1)
    [entry] = await entries(house, principal(account_id))
    assert (entry.order_id, entry.account_id) == (str(order.order_id), str(account_id))
    assert (entry.client_order_id, entry.symbol) == ("mine", "AAPL")
    assert (entry.side, entry.type) == (order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_MARKET)
    assert (entry.execution.quantity, entry.execution.price) == ("10", "100")
    assert (entry.execution.quote_bid, entry.execution.quote_ask) == ("99", "100")
    assert entry.execution.executed_at.ToDatetime(UTC) == build.NOW + SECOND
    assert (entry.venue, entry.venue_execution_id) == ("simulated", f"v-{order.order_id}")
    assert entry.market_time.ToDatetime(UTC) == build.NOW
    assert not entry.HasField("settled_at")
    await house.pool.execute("UPDATE executions SET settled_at = $1", build.NOW + 9 * SECOND)
    [entry] = await entries(house, principal(account_id))
    assert entry.settled_at.ToDatetime(UTC) == build.NOW + 9 * SECOND


async def test_pages_go_from_the_newest_to_the_oldest_without_gaps(house: House) -> None:
    """Of those of one moment too."""
    account_id = uuid4()
    orders = [await filled(house, account_id, second=number // 3) for number in range(10)]
    await filled(house, uuid4())
    found = await pages(house, principal(account_id), page_size=4)
    assert [len(page) for page in found] == [4, 4, 2]
    times = [entry.execution.executed_at.ToDatetime(UTC) for page in found for entry in page]
    assert times == sorted(times, reverse=True)
    ids = {entry.order_id for page in found for entry in page}
    assert ids == {str(order.order_id) for order in orders}


async def test_a_page_that_is_full_and_the_last_names_no_next(house: House) -> None:
    account_id = uuid4()
    for number in range(4):
        await filled(house, account_id, second=number)
    assert [len(page) for page in await pages(house, principal(account_id), page_size=2)] == [2, 2]


async def test_a_time_and_an_instrument_narrow_it_down(house: House) -> None:
    account_id = uuid4()
    orders = [
        await filled(house, account_id, second=number, symbol=symbol)
        for number, symbol in enumerate(("AAPL", "IBM", "AAPL", "IBM"))
    ]

    async def of(**fields: Any) -> list[int]:
        found = [entry.order_id for entry in await entries(house, principal(account_id), **fields)]
        return [number for number, order in enumerate(orders) if str(order.order_id) in found]

    start, end = order_pb2.ListExecutionsRequest(), order_pb2.ListExecutionsRequest()
    start.executed_from.FromDatetime(build.NOW + SECOND)
    end.executed_before.FromDatetime(build.NOW + 3 * SECOND)
    assert await of(symbol="IBM") == [1, 3]
    assert await of(executed_from=start.executed_from) == [1, 2, 3]
    assert await of(executed_before=end.executed_before) == [0, 1, 2]
    both = {"executed_from": start.executed_from, "executed_before": end.executed_before}
    assert await of(**both, symbol="AAPL") == [2]
    assert await of(**both, page_size=1) == [1, 2]


async def test_a_rare_instrument_is_looked_for_in_bounded_steps(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be short or empty, and still another one follows."""
    monkeypatch.setattr(blotter_store, "MOST_LOOKED_AT", 3)
    account_id = uuid4()
    for number in range(8):
        await filled(house, account_id, second=number, symbol="IBM" if number in {0, 2} else "AAPL")
    found = await pages(house, principal(account_id), symbol="IBM", page_size=1)
    assert [len(page) for page in found] == [0, 1, 1]


async def test_only_some_roles_see_all_accounts(house: House) -> None:
    accounts = [uuid4(), uuid4()]
    for account_id in accounts:
        await filled(house, account_id)
    for role in ("admin", "support"):
        found = await entries(house, principal(uuid4(), "user", role), all_accounts=True)
        assert {entry.account_id for entry in found} == set(map(str, accounts))
        assert await entries(house, principal(uuid4(), role)) == []
    with pytest.raises(Denied):
        await entries(house, principal(accounts[0]), all_accounts=True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"page_size": 501}, "invalid_page_size"),
        ({"page_size": -1}, "invalid_page_size"),
        ({"page_token": "?"}, "invalid_page_token"),
        ({"page_token": "AAAA"}, "invalid_page_token"),
        ({"page_token": "f" * 32}, "invalid_page_token"),
        ({"executed_from": {"seconds": 10**15}}, "invalid_time"),
        ({"executed_before": {"seconds": -(10**15)}}, "invalid_time"),
    ],
)
async def test_what_is_no_page_is_refused(house: House, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(HubError) as refused:
        await entries(house, principal(uuid4()), **fields)
    assert refused.value.code == code
    assert isinstance(refused.value, Invalid)


def test_a_page_token_reads_as_what_it_was_made_of() -> None:
    place = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC), uuid4()
    assert mapping_blotter.place(mapping_blotter.page_token(place)) == place


async def test_the_records_of_an_order_are_its_owners(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    await house.execute(order_id)
    request = order_pb2.ListOrderEventsRequest(order_id=str(order_id))
    answer = await list_order_events(request, principal(user.account_id), orders=house.orders)
    first, second = answer.events
    assert (first.version, first.kind, first.status) == (1, "accepted", order_pb2.ORDER_STATUS_PENDING)
    assert (first.actor, first.detail["quantity"]) == (f"user:{user.user_id}", "10")
    assert (second.version, second.kind, second.status) == (2, "executed", order_pb2.ORDER_STATUS_EXECUTED)
    assert second.quote["ask"] == "100"
    assert second.hash == (await house.order(order_id)).chain
    assert second.occurred_at.ToDatetime(UTC) == (await house.order(order_id)).updated_at
    with pytest.raises(NotFound):
        await list_order_events(request, principal(uuid4()), orders=house.orders)
