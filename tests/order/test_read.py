"""Reading: the caller's own orders, newest first, page by page."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Invalid, NotFound, Unauthenticated
from hub_order.domain import OPEN, Side, Status
from hub_order.mapping import Filter
from hub_order.store import rows
from hub_order.store.filters import count_query, page_query
from hub_order.store.sweeping import OLD_MARKET_ORDERS
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.order.house import House, submission
from tests.support.tokens import TokenUser as User


async def page(house: House, user: User, **fields: object) -> order_pb2.ListOrdersResponse:
    with calling_as(user.token):
        return await house.stub.ListOrders(order_pb2.ListOrdersRequest(**fields))  # type: ignore[arg-type]


async def all_pages(house: House, user: User, **fields: object) -> list[list[str]]:
    pages, token = [], ""
    while True:
        answer = await page(house, user, page_token=token, **fields)
        pages.append([order.order_id for order in answer.orders])
        token = answer.next_page_token
        if not token:
            return pages


async def test_pages_hold_every_order_once_newest_first(house: House, user: User) -> None:
    results = await house.submit_all([submission(user, quantity="1") for _ in range(7)])
    await house.accepted(house.keys.user())
    newest_first = sorted((result.order_id for result in results), reverse=True)
    pages = await all_pages(house, user, page_size=3)
    assert [len(each) for each in pages] == [3, 3, 1]
    assert [order_id for each in pages for order_id in each] == newest_first
    assert await all_pages(house, user, page_size=7) == [newest_first]
    assert await all_pages(house, user) == [newest_first]


async def test_open_only_leaves_out_what_has_ended(house: House, user: User) -> None:
    resting, ended, pending = [
        await house.resting(user),
        await house.accepted(user),
        await house.accepted(user),
    ]
    await house.cancel(user, ended)
    pages = await all_pages(house, user, open_only=True, page_size=1)
    assert pages == [[str(pending)], [str(resting)]]


async def test_the_total_is_of_all_pages_and_only_where_it_is_asked_for(house: House, user: User) -> None:
    order_ids = [await house.accepted(user, quantity="1") for _ in range(3)]
    await house.accepted(house.keys.user())
    await house.cancel(user, order_ids[0])
    first = await page(house, user, page_size=1, include_total=True)
    second = await page(house, user, page_size=1, include_total=True, page_token=first.next_page_token)
    assert (first.total, second.total) == (3, 3)
    assert (await page(house, user, include_total=True, open_only=True)).total == 2
    assert (await page(house, user)).total == 0
    assert (await page(house, house.keys.user(), include_total=True)).total == 0


def many() -> str:
    """Twenty thousand orders of a hundred accounts, one in ten of them open."""
    names = [name.strip() for name in rows.ORDER.split(",")]
    others = {
        "id": "gen_random_uuid()",
        "account_id": "md5((n % 100)::text)::uuid",
        "status": "CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'CANCELLED' END",
    }
    values = ", ".join(others.get(name, name) for name in names)
    return f"INSERT INTO orders ({rows.ORDER}) SELECT {values} FROM orders, generate_series(1, 20000) n"


def page_of(wanted: Filter) -> tuple[str, list[Any]]:
    return page_query(uuid4(), wanted, before=uuid4(), limit=50)


async def test_totals_and_pages_are_read_from_an_index(house: House, user: User) -> None:
    await house.accepted(user)
    await house.tamper(many())
    await house.tamper("VACUUM ANALYZE orders")
    cancelled = Filter(statuses=frozenset({Status.CANCELLED}), symbol="AAPL")
    for (statement, values), index in [
        (count_query(uuid4(), Filter()), "Index Only Scan using orders_of_account"),
        (count_query(uuid4(), Filter(statuses=OPEN)), "Index Only Scan using orders_open_of_account"),
        (page_of(Filter()), "orders_of_account "),
        (page_of(Filter(statuses=OPEN)), "orders_open_of_account"),
        (page_of(Filter(symbol="AAPL")), "Index Scan Backward using orders_of_account"),
        (page_of(cancelled), "Index Scan"),
        (page_of(Filter(accepted_from=utc_now(), side=Side.BUY)), "orders_of_account "),
    ]:
        plan = "\n".join(row[0] for row in await house.pool.fetch(f"EXPLAIN {statement}", *values))
        assert index in plan, plan
        assert "Sort" not in plan, plan
    now = utc_now()
    old = [["AAPL"], [now], now, 500]
    plan = "\n".join(row[0] for row in await house.pool.fetch(f"EXPLAIN {OLD_MARKET_ORDERS}", *old))
    assert "orders_open_market" in plan, plan


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"page_size": 101}, "invalid_page_size"),
        ({"page_size": -1}, "invalid_page_size"),
        ({"page_token": "x"}, "invalid_page_token"),
        ({"page_token": "ä"}, "invalid_page_token"),
        ({"page_token": "AAAA"}, "invalid_page_token"),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    house: House, user: User, fields: dict[str, object], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await page(house, user, **fields)
    assert refused.value.code == code


async def test_another_accounts_order_does_not_exist(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    stranger = house.keys.user()
    for attempt in (
        house.get(stranger, order_id),
        house.cancel(stranger, order_id),
        house.get(user, uuid4()),
    ):
        with pytest.raises(NotFound) as refused:
            await attempt
        assert refused.value.code == "order_not_found"
    assert (await house.get(user, order_id)).order.status == order_pb2.ORDER_STATUS_PENDING
    assert (await page(house, stranger)).orders == []


async def test_an_id_that_is_none_is_refused(house: House, user: User) -> None:
    with pytest.raises(Invalid) as refused:
        await house.get(user, "not-an-id")
    assert (refused.value.code, refused.value.field) == ("invalid_id", "order_id")


async def test_without_a_token_nothing_is_told(house: House, user: User) -> None:
    order_id = await house.accepted(user)
    nobody = User("", user.user_id, user.account_id)
    for attempt in (house.get(nobody, order_id), house.cancel(nobody, UUID(int=1)), page(house, nobody)):
        with pytest.raises(Unauthenticated):
            await attempt
