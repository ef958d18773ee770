"""PositionService over the wire: who may call what, whose account it is, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2, position_pb2_grpc
from hub_errors import Denied, Invalid, NotFound, Refused, Unauthenticated
from hub_position.domain.trade import Side
from hub_rpc import calling_as
from tests.position.house import House, position_house
from tests.position.world import World
from tests.support.tls import Tls
from tests.support.tokens import Signer, TokenUser


@pytest.fixture(scope="module")
async def house(world: World, tls: Tls) -> AsyncIterator[House]:
    async with position_house(world, tls) as made:
        yield made


def item(user: TokenUser, **fields: Any) -> position_pb2.HoldRequest:
    values: dict[str, Any] = {
        "hold_id": str(uuid4()),
        "order_id": str(uuid4()),
        "account_id": str(user.account_id),
        "user_id": str(user.user_id),
        "side": order_pb2.SIDE_BUY,
        "symbol": "AAPL",
        "quantity": "10",
        "unit_price": "100",
    }
    return position_pb2.HoldRequest(**(values | fields))


async def test_a_hold_sets_aside_the_fee_of_its_asset_class(house: House) -> None:
    user = house.signer.user()
    items = [item(user, asset_class="CRYPTO"), item(user, asset_class="STOCK"), item(user)]
    await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=items))
    with calling_as(user.token):
        balance = await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
    assert balance.held == "3002.5"


async def test_the_first_hold_opens_the_account_and_the_balance_shows_it(house: House) -> None:
    user = house.signer.user()
    answer = await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=[item(user)]))
    assert [result.granted for result in answer.results] == [True]
    with calling_as(user.token):
        balance = await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
    assert balance.account_id == str(user.account_id)
    assert (balance.cash, balance.held, balance.buying_power) == ("100000", "1000", "99000")
    assert (balance.status, balance.currency) == ("ACTIVE", "USD")


async def test_results_come_in_the_order_of_the_items_with_what_was_missing(house: House) -> None:
    user = house.signer.user()
    items = [item(user, quantity="1001"), item(user, quantity="1"), item(user, side=2, unit_price="")]
    answer = await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=items))
    assert [result.hold_id for result in answer.results] == [each.hold_id for each in items]
    assert [result.code for result in answer.results] == ["insufficient_funds", "", "insufficient_shares"]
    assert (answer.results[0].available, answer.results[0].required) == ("100000", "100100")
    assert answer.results[1].standing_hold_id == items[1].hold_id


async def test_calls_that_come_together_share_transactions(house: House) -> None:
    users = [house.signer.user() for _ in range(24)]
    house.batches.clear()
    answers = await asyncio.gather(
        *(
            house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=[item(user), item(user)]))
            for user in users
        )
    )
    assert all(result.granted for answer in answers for result in answer.results)
    assert sum(house.batches) == 24
    assert len(house.batches) < 24


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"hold_id": "x"}, "invalid_id", "hold_id"),
        ({"account_id": ""}, "invalid_id", "account_id"),
        ({"side": 0}, "invalid_side", "side"),
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"quantity": "1e3"}, "invalid_decimal", "quantity"),
        ({"quantity": "0.000000001"}, "too_precise", "quantity"),
        ({"unit_price": ""}, "invalid_decimal", "unit_price"),
        ({"unit_price": "-1"}, "not_positive", "unit_price"),
        ({"side": 2}, "unit_price_on_sell", "unit_price"),
        ({"symbol": ""}, "invalid_symbol", "symbol"),
        ({"idempotency_key": "k" * 256}, "too_long", "idempotency_key"),
        ({"percentage": "5"}, "percentage_not_allowed", "percentage"),
        ({"side": 2, "unit_price": "", "percentage": "5"}, "percentage_not_allowed", "percentage"),
        ({"side": 2, "unit_price": "", "quantity": "", "percentage": "101"}, "too_large", "percentage"),
        ({"side": 2, "unit_price": "", "quantity": "", "percentage": "0"}, "not_positive", "percentage"),
        (
            {"side": 2, "unit_price": "", "quantity": "", "percentage": "5", "lot_size": "0"},
            "not_positive",
            "lot_size",
        ),
        ({"by_value": True}, "not_by_value", "by_value"),
        ({"side": 2, "unit_price": "", "by_value": True}, "not_by_value", "by_value"),
        ({"replaced_hold_id": "x"}, "invalid_id", "replaced_hold_id"),
        ({"replaced_filled_quantity": "-1"}, "negative", "replaced_filled_quantity"),
        ({"most_position": "x"}, "invalid_decimal", "most_position"),
    ],
)
async def test_a_hold_that_cannot_be_read_is_invalid(
    house: House, fields: dict[str, Any], code: str, field: str
) -> None:
    request = position_pb2.PlaceHoldsRequest(items=[item(house.signer.user(), **fields)])
    with pytest.raises(Invalid) as refused:
        await house.order.PlaceHolds(request)
    assert (refused.value.code, refused.value.field) == (code, field)


async def test_holds_get_another_price_over_the_wire(house: House) -> None:
    user = house.signer.user()
    hold = item(user, quantity="10", unit_price="100")
    await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=[hold]))
    prices = [position_pb2.HoldPrice(hold_id=hold.hold_id, unit_price=price) for price in ("110", "10001")]
    prices.append(position_pb2.HoldPrice(hold_id=str(uuid4()), unit_price="1"))
    answer = await house.order.RepriceHolds(position_pb2.RepriceHoldsRequest(items=prices))
    raised, refused, unknown = answer.results
    assert (raised.granted, raised.standing_hold_id, raised.quantity) == (True, hold.hold_id, "10")
    assert (refused.code, refused.available, refused.required) == ("insufficient_funds", "98900", "98910")
    assert unknown.code == "hold_released"
    for wrong in (prices * 22, [position_pb2.HoldPrice(hold_id=hold.hold_id, unit_price="0")]):
        with pytest.raises(Invalid):
            await house.order.RepriceHolds(position_pb2.RepriceHoldsRequest(items=wrong))


async def test_more_holds_than_a_batch_may_have_are_invalid(house: House) -> None:
    user = house.signer.user()
    with pytest.raises(Invalid) as refused:
        await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=[item(user)] * 65))
    assert refused.value.code == "too_many"


@pytest.mark.parametrize(
    "method", ["GetBalance", "ListPositions", "ListPostings", "Deposit", "Withdraw", "ListCashMovements"]
)
async def test_whose_account_it_is_the_token_says(house: House, method: str) -> None:
    request = getattr(position_pb2, f"{method}Request")()
    if method in {"Deposit", "Withdraw"}:
        request.amount = "1"
    call = getattr(house.gateway, method)
    for token, code in [("", "token_missing"), ("x.y.z", "token_malformed"), (Signer().user().token, "")]:
        with calling_as(token), pytest.raises(Unauthenticated) as refused:
            await call(request)
        assert refused.value.code == (code or "token_invalid")


async def test_an_average_price_has_the_places_that_are_certain(house: House) -> None:
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "0.0023148", "436.84")
    with calling_as(user.token):
        [position] = (await house.gateway.ListPositions(position_pb2.ListPositionsRequest())).positions
    assert (position.total_cost, position.average_price) == ("1.01119723", "436.84")


async def test_nobody_sees_what_is_anothers(house: House) -> None:
    user, owner = await house.owner()
    stranger, _ = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100")
    with calling_as(user.token):
        mine = await house.gateway.ListPositions(position_pb2.ListPositionsRequest())
        ledger = await house.gateway.ListPostings(position_pb2.ListPostingsRequest())
    [position] = mine.positions
    assert (position.symbol, position.quantity, position.total_cost) == ("AAPL", "10", "1000")
    assert (position.average_price, position.status, position.held) == ("100", "ACTIVE", "0")
    assert {total.ledger_account: total.amount for total in ledger.totals} == {
        "external": "-100000",
        "cash_settled": "100000",
        "cash_unsettled": "-1000",
        "securities": "1000",
    }
    with calling_as(stranger.token):
        theirs = await house.gateway.ListPositions(position_pb2.ListPositionsRequest())
        foreign = await house.gateway.ListPostings(position_pb2.ListPostingsRequest())
    assert not theirs.positions
    assert {total.ledger_account for total in foreign.totals} == {"external", "cash_settled"}


async def test_a_token_of_another_user_for_the_same_account_finds_nothing(house: House) -> None:
    user, _ = await house.owner()
    forged = house.signer.user(acc=str(user.account_id))
    with calling_as(forged.token), pytest.raises(NotFound):
        await house.gateway.GetBalance(position_pb2.GetBalanceRequest())


async def test_postings_come_in_pages_newest_first(house: House) -> None:
    user, owner = await house.owner()
    await house.world.trade(owner, Side.BUY, "10", "100")
    await house.world.trade(owner, Side.SELL, "4", "110", minute=1)
    seen, token = list[int](), ""
    with calling_as(user.token):
        while True:
            request = position_pb2.ListPostingsRequest(page_size=3, page_token=token)
            page = await house.gateway.ListPostings(request)
            seen += [posting.posting_id for posting in page.postings]
            token = page.next_page_token
            if not token:
                break
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == 7
        with pytest.raises(Invalid):
            await house.gateway.ListPostings(position_pb2.ListPostingsRequest(page_size=101))
        for wrong in ("x", "3", "activity-3", "posting-" + "9" * 30):
            with pytest.raises(Invalid) as refused:
                await house.gateway.ListPostings(position_pb2.ListPostingsRequest(page_token=wrong))
            assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


@pytest.mark.parametrize(
    ("caller", "method"),
    [
        ("gateway", "PlaceHolds"),
        ("portfolio", "PlaceHolds"),
        ("gateway", "SettleHolds"),
        ("gateway", "ListUnconfirmedHolds"),
        ("gateway", "RepriceHolds"),
        ("order", "GetAccount"),
        ("portfolio", "SetAccountState"),
        ("order", "GetBalance"),
        ("order", "ListPositions"),
        ("quote-stream", "ListPostings"),
        ("auth", "GetBalance"),
        ("order", "Deposit"),
        ("portfolio", "Withdraw"),
        ("order", "AdjustCash"),
    ],
)
async def test_who_is_not_in_the_call_table_is_denied(house: House, caller: str, method: str) -> None:
    async with house.channel(caller) as channel:
        stub = position_pb2_grpc.PositionServiceStub(channel)
        with calling_as(house.signer.user().token), pytest.raises(Denied):
            await getattr(stub, method)(getattr(position_pb2, f"{method}Request")())


async def test_cash_comes_in_and_goes_out_for_the_caller(house: House) -> None:
    user = house.signer.user()
    with calling_as(user.token):
        paid = await house.gateway.Deposit(position_pb2.DepositRequest(amount="10.50", idempotency_key="a"))
        taken = await house.gateway.Withdraw(position_pb2.WithdrawRequest(amount="0.25"))
        again = await house.gateway.Deposit(position_pb2.DepositRequest(amount="10.5", idempotency_key="a"))
        balance = await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
        listed = await house.gateway.ListCashMovements(position_pb2.ListCashMovementsRequest(page_size=1))
        token = listed.next_page_token
        rest = await house.gateway.ListCashMovements(position_pb2.ListCashMovementsRequest(page_token=token))
        movement_id = paid.movement.movement_id
        for wrong in (
            "x",
            movement_id,
            "transfer-x",
            f"transfer-{movement_id.replace('-', '')}",
            "posting-1",
        ):
            with pytest.raises(Invalid) as refused:
                await house.gateway.ListCashMovements(position_pb2.ListCashMovementsRequest(page_token=wrong))
            assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")
    assert (paid.movement.kind, paid.movement.amount, paid.replayed) == ("deposit", "10.5", False)
    assert (again.movement.movement_id, again.replayed) == (paid.movement.movement_id, True)
    assert taken.movement.amount == "-0.25"
    assert balance.cash == balance.withdrawable == "100010.25"
    assert [each.amount for each in [*listed.movements, *rest.movements]] == ["-0.25", "10.5"]
    assert rest.next_page_token == ""


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0", "not_positive"),
        ("-5", "not_positive"),
        ("0.001", "too_precise"),
        ("1000000000000", "too_large"),
        ("nan", "invalid_decimal"),
        ("", "invalid_decimal"),
    ],
)
async def test_what_is_no_amount_of_cash_moves_nothing(house: House, amount: str, code: str) -> None:
    with calling_as(house.signer.user().token):
        for method in ("Deposit", "Withdraw"):
            with pytest.raises(Invalid) as refused:
                await getattr(house.gateway, method)(getattr(position_pb2, f"{method}Request")(amount=amount))
            assert (refused.value.code, refused.value.field) == (code, "amount")


async def test_a_deposit_above_the_largest_is_refused(house: House) -> None:
    with calling_as(house.signer.user().token), pytest.raises(Refused) as refused:
        await house.gateway.Deposit(position_pb2.DepositRequest(amount="100000.01"))
    assert refused.value.code == "deposit_too_large"


async def test_an_adjustment_is_an_administrators_and_has_a_reason(house: House) -> None:
    user, _ = await house.owner()
    request = position_pb2.AdjustCashRequest(account_id=str(user.account_id), amount="-7", reason="a test")
    with calling_as(user.token), pytest.raises(Denied):
        await house.gateway.AdjustCash(request)
    with calling_as(house.signer.user(roles=["admin"]).token):
        done = await house.gateway.AdjustCash(request)
        for wrong in ({"reason": " "}, {"amount": "0"}, {"reason": "x" * 501}):
            fields = {"account_id": str(user.account_id), "amount": "1", "reason": "a", **wrong}
            with pytest.raises(Invalid):
                await house.gateway.AdjustCash(position_pb2.AdjustCashRequest(**fields))
        with pytest.raises(NotFound):
            await house.gateway.AdjustCash(
                position_pb2.AdjustCashRequest(account_id=str(uuid4()), amount="1", reason="a")
            )
    assert (done.movement.kind, done.movement.amount, done.movement.reason) == ("adjustment", "-7", "a test")
    with calling_as(user.token):
        assert (await house.gateway.GetBalance(position_pb2.GetBalanceRequest())).cash == "99993"


async def test_the_sweeper_finds_confirms_and_releases_holds(house: House) -> None:
    await house.world.vouch_for_all()
    user = house.signer.user()
    kept, lost = item(user), item(user, quantity="3")
    await house.order.PlaceHolds(position_pb2.PlaceHoldsRequest(items=[kept, lost]))
    listing = position_pb2.ListUnconfirmedHoldsRequest(limit=500)
    with pytest.raises(Invalid):
        await house.order.ListUnconfirmedHolds(listing)
    listing.placed_before.GetCurrentTime()
    found = await house.order.ListUnconfirmedHolds(listing)
    mine = [hold for hold in found.holds if hold.account_id == str(user.account_id)]
    assert {hold.hold_id for hold in mine} == {kept.hold_id, lost.hold_id}
    [hold] = [hold for hold in mine if hold.hold_id == lost.hold_id]
    assert (hold.order_id, hold.user_id) == (lost.order_id, lost.user_id)
    assert (hold.side, hold.symbol, hold.quantity) == (order_pb2.SIDE_BUY, "AAPL", "3")
    settling = position_pb2.SettleHoldsRequest(
        confirmed_hold_ids=[kept.hold_id], released_hold_ids=[lost.hold_id]
    )
    settled = await house.order.SettleHolds(settling)
    assert (settled.confirmed, settled.released) == (1, 1)
    with calling_as(user.token):
        balance = await house.gateway.GetBalance(position_pb2.GetBalanceRequest())
    assert balance.held == "1000"
