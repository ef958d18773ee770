"""Splits and dividends over order and position as they are: orders end, their holds are free, shares are
multiplied, trading goes on; whoever dies when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from hub_errors import Unavailable
from hub_order.books import Books
from hub_order.corporate_actions import ActionBooks, DueAction
from hub_order.domain import Status
from hub_order.store import Reconciling
from hub_order.usecases.corporate_actions import CorporateActions
from hub_order.usecases.reconciliation import Look
from hub_order.venue import FillModel
from hub_position.rpc_actions import CorporateActionRpc
from hub_position.rpc_reconciliation import ReconciliationRpc
from hub_runtime import CrashPointError, utc_now
from hub_runtime.crash_points import armed
from tests.adversity.asking import accepted, cancelled, handed, quote, resting
from tests.adversity.checks import account, assert_right
from tests.adversity.platform import Databases, Platform, platform, pools
from tests.adversity.venues import TellingVenue
from tests.adversity.wire import Loss, Wire
from tests.order.house import submission
from tests.order.peers import Tape
from tests.position.acting import dividends_of, new_symbol
from tests.position.world import Owner, World
from tests.support.crash_points import crash_points
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User

HOUR = timedelta(hours=1)


@dataclass
class Street:
    """What market-data does: it says what is due, and a split halts its instrument until it is done."""

    both: Platform
    symbol: str
    wire: Wire
    actions: list[DueAction] = field(default_factory=list)
    completed: int = 0

    async def due(self) -> list[DueAction]:
        return list(self.actions)

    async def complete(self, action: DueAction) -> None:
        self.completed += 1
        self.actions = [each for each in self.actions if each != action]
        if action.is_split:
            self.both.tape.halt(self.symbol, halted=False)

    def comes(self, *, ratio: str = "", amount: str = "", lieu: str = "", heard: bool = True) -> DueAction:
        """Its day begins now, an hour after all that was; `heard`: the halt too."""
        effective_at = self.both.tape.cache.market_time() + HOUR
        action = DueAction(
            action_id=uuid4(),
            symbol=self.symbol,
            ratio=ratio,
            amount=amount,
            effective_at=effective_at,
            cash_in_lieu_price=lieu,
        )
        self.actions.append(action)
        self.both.tape.time(effective_at)
        if ratio and heard:
            self.both.tape.halt(self.symbol)
        return action

    async def look(self) -> int:
        """What the job does in one pass; each time it may be another process."""
        both = self.both
        actions = CorporateActions(both.orders, both.market, self, ActionBooks(self.wire.channel))  # type: ignore[arg-type]
        return await actions.carry_out()

    async def through(self) -> None:
        """Passes, while everything under way arrives, until nothing is due any more."""
        for _ in range(10):
            await self.look()
            await self.both.through()
            if not self.actions:
                return
        raise AssertionError("the action does not come to its end")

    def trades_on(self, bid: str, ask: str) -> None:
        self.both.tape.quote(self.symbol, bid, ask)

    async def shares(self, user: User) -> tuple[Decimal, Decimal]:
        """And what of them is held."""
        return (await account(self.both, user)).positions[self.symbol]

    async def right(self, *users: User) -> None:
        await assert_right(self.both, users)
        reconciling = Wire(ReconciliationRpc(self.both.books.pool))
        look = Look(
            store=Reconciling(self.both.order_pool),
            books=Books(reconciling.channel),
            since=utc_now() - HOUR,
            cut=utc_now() + HOUR,
        )
        await look.executions()
        accounts = [user.account_id for user in users]
        await look.trades(accounts)
        assert not await look.recent(accounts, for_s=HOUR.total_seconds())
        await look.whole(accounts)
        mine = {str(user.account_id) for user in users}
        assert [each for each in look.found.values() if each.account_id in mine] == []


@pytest.fixture
async def street(databases: Databases) -> AsyncIterator[Street]:
    """With an instrument of its own: an action is for everybody who holds it."""
    symbol = new_symbol()
    async with (
        pools(databases) as (order_pool, position_pool),
        platform(order_pool, position_pool, keys=Signer(), tape=Tape((symbol, "MSFT"))) as both,
    ):
        for pool in (order_pool, position_pool):
            await pool.execute("DELETE FROM outbox")
        yield Street(both, symbol, Wire(CorporateActionRpc(position_pool, utc_now)))


async def holder(street: Street, quantity: str = "10") -> User:
    """Bought at 100."""
    user = await street.both.user()
    await accepted(street.both, user, symbol=street.symbol, quantity=quantity)
    await street.both.through()
    assert (await street.shares(user))[0] == Decimal(quantity)
    return user


async def ended(both: Platform, *order_ids: UUID) -> set[tuple[Status, str]]:
    return {(order.status, order.reason) for order in [await both.order(each) for each in order_ids]}


CLOSED = {(Status.CANCELLED, "CORPORATE_ACTION")}


async def test_a_split_with_resting_orders(street: Street) -> None:
    both, symbol = street.both, street.symbol
    user, other = await holder(street), await holder(street, "3")
    orders = [
        await resting(both, user, symbol=symbol, quantity="5"),
        await resting(both, user, symbol=symbol, side="SIDE_SELL", limit_price="101", quantity="4"),
        await resting(
            both,
            user,
            symbol=symbol,
            side="SIDE_SELL",
            type="ORDER_TYPE_TRAILING_STOP",
            limit_price="",
            trail_percent="5",
            quantity="2",
        ),
        await resting(both, other, symbol=symbol, side="SIDE_SELL", limit_price="101", quantity="3"),
    ]
    elsewhere = await resting(both, user, symbol="MSFT")
    street.comes(ratio="4")
    await street.look()
    assert await ended(both, *orders) == CLOSED
    # What they held is not free before their ends are booked: so nothing is multiplied yet.
    assert await street.shares(user) == (Decimal(10), Decimal(6))
    await street.through()
    assert await street.shares(user) == (Decimal(40), Decimal(0))
    assert await street.shares(other) == (Decimal(12), Decimal(0))
    assert (await both.order(elsewhere)).status is Status.PROCESSING
    street.trades_on("24.9", "25")
    await accepted(both, user, symbol=symbol, side="SIDE_SELL", quantity="40")
    await both.through()
    assert await street.shares(user) == (Decimal(0), Decimal(0))
    await cancelled(both, user, elsewhere)
    await both.through()
    await street.right(user, other)


async def test_while_a_split_is_applied_new_orders_are_refused(street: Street) -> None:
    user = await holder(street)
    street.comes(ratio="4")
    (result,) = await street.both.submit(submission(user, symbol=street.symbol, quantity="1"))
    assert result.refused.code == "halted"
    await street.through()
    street.trades_on("24.9", "25")
    await accepted(street.both, user, symbol=street.symbol, quantity="1")
    await street.both.through()
    await street.right(user)


async def test_nothing_begins_before_this_process_has_heard_of_the_halt(street: Street) -> None:
    """New orders would go on to come."""
    user = await holder(street)
    order = await resting(street.both, user, symbol=street.symbol)
    street.comes(ratio="4", heard=False)
    assert await street.look() == 0
    assert (await street.both.order(order)).status is Status.PROCESSING
    street.both.tape.halt(street.symbol)
    await street.through()
    await street.right(user)


async def test_an_order_that_came_in_between_ends_before_trading_goes_on(street: Street) -> None:
    """Another process had not heard of the halt."""
    both, user = street.both, await holder(street)
    street.comes(ratio="4")
    orders: list[UUID] = []

    async def slips_in() -> None:
        if not orders:
            both.tape.halt(street.symbol, halted=False)
            orders.append(await resting(both, user, symbol=street.symbol, limit_price="95"))
            both.tape.halt(street.symbol)

    street.wire.meanwhile = slips_in
    assert await street.look() == 1
    await street.both.through()
    assert await ended(both, *orders) == CLOSED
    assert await street.shares(user) == (Decimal(40), Decimal(0))
    await street.right(user)


async def test_a_fill_that_races_the_split_is_booked_before_it(street: Street) -> None:
    """Executed in old shares, and delivered after the order was asked to end."""
    both, user = street.both, await holder(street)
    order = await resting(both, user, symbol=street.symbol, quantity="4")
    await handed(both, order, quote(both, "94"))
    street.comes(ratio="4")
    assert await street.look() == 0
    await street.through()
    assert await street.shares(user) == (Decimal(56), Decimal(0))
    await street.right(user)


async def test_an_order_at_a_venue_ends_when_the_venue_says_so(street: Street) -> None:
    """A part of it was filled meanwhile, and that is told after the end."""
    both, user = street.both, await holder(street)
    both.venue = venue = TellingVenue(FillModel(participation=True))
    both.tape.quote(street.symbol, "99", "100", bid_size="1")
    order = await resting(both, user, symbol=street.symbol, side="SIDE_SELL", limit_price="99", quantity="4")
    assert (await both.order(order)).route is not None
    facts, venue.said = venue.said, []
    street.comes(ratio="4")
    for _ in range(3):
        assert await street.look() == 0
        await both.through()
    assert (await both.order(order)).ending == "CANCELLED"
    said, venue.said = venue.said, []
    for told in (said, facts):
        assert (await street.shares(user))[0] == 10
        await both.venue_desk.record(told)
        await both.through()
    assert await ended(both, order) == CLOSED
    await street.through()
    assert await street.shares(user) == (Decimal(36), Decimal(0))
    await street.right(user)


STEPS = list(crash_points("order.actions."))


@pytest.mark.parametrize("step", [*STEPS, "order.change.before_commit", "order.change.after_commit"])
async def test_whoever_dies_between_two_steps_is_followed_by_another(
    street: Street, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, users = street.both, [await holder(street) for _ in range(2)]
    order = await resting(
        both, users[0], symbol=street.symbol, side="SIDE_SELL", limit_price="101", quantity="4"
    )
    monkeypatch.setattr("hub_position.usecases.actions.ACCOUNTS_AT_ONCE", 1)
    street.comes(ratio="4")
    street.comes(amount="0.5")
    deaths = 0
    for _ in range(8):
        try:
            with armed(f"{step}=error"):
                await street.look()
        except CrashPointError:
            deaths += 1
        await both.through()
    assert deaths
    await street.through()
    assert await ended(both, order) == CLOSED
    for user in users:
        assert await street.shares(user) == (Decimal(40), Decimal(0))
        owner = Owner(user.account_id, user.user_id)
        assert await dividends_of(World(both.books.pool), owner) == 20
    await street.right(*users)


@pytest.mark.parametrize("loss", [Loss.REQUEST, Loss.ANSWER])
async def test_what_is_lost_on_the_wire_is_asked_again(street: Street, loss: Loss) -> None:
    user = await holder(street)
    street.comes(amount="0.5")
    street.wire.loss = loss
    assert await street.look() == 0
    assert await street.look() == 1
    owner = Owner(user.account_id, user.user_id)
    assert await dividends_of(World(street.both.books.pool), owner) == 5
    await street.right(user)


async def test_a_part_of_a_share_is_paid_out_at_the_price_that_was_told(street: Street) -> None:
    user = await holder(street)
    cash = (await account(street.both, user)).cash
    street.comes(ratio="0.25", lieu="400")
    await street.through()
    assert await street.shares(user) == (Decimal(2), Decimal(0))
    assert (await account(street.both, user)).cash == cash + 200
    await street.right(user)


async def test_an_action_that_cannot_go_on_keeps_no_other_instrument_waiting(street: Street) -> None:
    user = await holder(street)
    street.comes(ratio="4", heard=False)
    street.comes(amount="0.5")
    street.actions.append(
        DueAction(
            action_id=uuid4(),
            symbol=new_symbol(),
            ratio="",
            amount="1",
            effective_at=street.actions[0].effective_at,
        )
    )
    assert await street.look() == 1
    assert [each.symbol for each in street.actions] == [street.symbol] * 2
    owner = Owner(user.account_id, user.user_id)
    assert await dividends_of(World(street.both.books.pool), owner) == 0
    street.both.tape.halt(street.symbol)
    await street.through()
    assert await dividends_of(World(street.both.books.pool), owner) == 20
    await street.right(user)


async def test_while_market_data_is_away_nothing_happens(street: Street) -> None:
    async def nobody() -> list[DueAction]:
        raise Unavailable("gone", code="unavailable")

    street.due = nobody  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await street.look()
