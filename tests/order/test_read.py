"""Reading: the caller's own orders, newest first, page by page."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Invalid, NotFound, Unauthenticated
from hub_rpc import calling_as
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
