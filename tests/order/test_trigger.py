"""The trigger over real rows: it knows all that rest before it uses a quote, and marks survive it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from hub_errors import Unavailable
from hub_order import resting_rows, trigger
from hub_order.domain import Order, Side, Status
from hub_order.resting import Hand, RestingOrders, Unsaved
from hub_order.resting_rows import RestingRows
from hub_order.store import LEADERSHIP, RESTING_CHANNEL, Resting, rows
from hub_order.trigger import Trigger, every_symbol
from hub_postgres import Leadership, Wakeup, column_arrays
from hub_runtime import utc_now
from tests.order import build
from tests.order.house import House
from tests.order.test_jobs import running, until


async def insert(house: House, *orders: Order) -> None:
    """As the worker leaves orders that rest."""
    now = await Resting(house.pool).now()
    stamped = [rows.order_values(replace(order, updated_at=now)) for order in orders]
    await house.pool.execute(rows.INSERT_ORDERS, *column_arrays(stamped))
    await house.pool.execute(f"NOTIFY {RESTING_CHANNEL}")


def sale(**fields: Any) -> Order:
    return build.resting(side=Side.SELL, protection_price=None, **{"accepted_at": utc_now(), **fields})


async def epoch(house: House, number: int) -> None:
    """What `leading` writes."""
    await house.pool.execute(
        "INSERT INTO leaderships VALUES ($1, $2, 1, now()) ON CONFLICT (name) DO UPDATE SET epoch = $2",
        LEADERSHIP,
        number,
    )


@dataclass
class Watch:
    """A trigger whose hands are only written down."""

    house: House
    number: int = 1
    hands: list[Hand] = field(default_factory=list)
    fails: int = 0

    def __post_init__(self) -> None:
        login = self.house.database.runtime
        self.wakeup = Wakeup(login.url, login.password, RESTING_CHANNEL)
        self.trigger = Trigger(
            resting=Resting(self.house.pool),
            market=self.house.market,
            wakeup=self.wakeup,
            hand_over=self.hand_over,
        )

    async def hand_over(self, hands: Sequence[Hand], epoch: int) -> None:
        assert epoch == self.number
        if self.fails:
            self.fails -= 1
            raise Unavailable("The broker is away.", code="broker_unavailable")
        self.hands += hands

    def running(self) -> Any:
        leadership = Leadership(LEADERSHIP, self.number)
        return running(self.wakeup.run(), self.trigger.lead(leadership))

    async def knows(self, number: int) -> None:
        async def all_there() -> bool:
            return len(self.trigger.memory) == number

        await until(all_there)

    async def handed(self, *orders: Order) -> list[Hand]:
        async def came() -> bool:
            return len(self.hands) >= len(orders)

        await until(came)
        assert {hand.order_id for hand in self.hands} == {order.order_id for order in orders}
        return self.hands


@pytest.fixture
def watch(house: House) -> Watch:
    return Watch(house)


async def test_it_hands_over_stops_that_the_market_reaches(watch: Watch, house: House) -> None:
    stop = sale(stop_price="90", traceparent="00-1-2-01")
    limited = sale(stop_price="80", limit_price="79")
    await insert(house, stop, limited)
    async with watch.running():
        await watch.knows(2)
        house.tape.quote("AAPL", "89", "90")
        (hand,) = await watch.handed(stop)
    assert (hand.account_id, hand.traceparent, hand.stop_price) == (stop.account_id, "00-1-2-01", Decimal(90))
    assert (hand.quote.bid, hand.quote.ask, hand.quote.seq) == (
        Decimal(89),
        Decimal(90),
        house.tape.seq["AAPL"],
    )


async def test_it_says_that_it_leads_while_it_does(watch: Watch) -> None:
    async def leads() -> bool:
        return REGISTRY.get_sample_value("hub_order_trigger_leads") == 1

    async with watch.running():
        await until(leads)
    assert not await leads()


async def test_an_order_that_comes_is_held_against_the_quote_of_now(watch: Watch, house: House) -> None:
    async with watch.running():
        order = sale(stop_price="150")
        await insert(house, order)
        (hand,) = await watch.handed(order)
    assert hand.stop_price == 150


async def test_a_hand_over_that_fails_is_made_up_for(watch: Watch, house: House) -> None:
    watch.fails = 2
    order = sale(limit_price="99")
    await insert(house, order)
    async with watch.running():
        await watch.handed(order)


async def test_what_one_quote_triggers_is_handed_over_in_parts_while_the_trigger_leads(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger, "AT_ONCE", 3)
    watch = Watch(house)
    leadership = Leadership(LEADERSHIP, 1)
    await insert(house, *(sale(limit_price="99") for _ in range(8)))

    async def hand_over(hands: Sequence[Hand], epoch: int) -> None:
        watch.hands += hands
        if len(watch.hands) == 6:
            leadership.lost.set()

    watch.trigger.hand_over = hand_over
    async with asyncio.timeout(20):
        await watch.trigger.lead(leadership)
    assert len(watch.hands) == 6


async def test_the_marks_of_trailing_stops_survive_the_trigger(house: House) -> None:
    await epoch(house, 1)
    early, late = sale(trail_amount="5"), sale(trail_percent="5")
    first = Watch(house)
    await insert(house, early)
    async with first.running():
        await first.knows(1)
        house.tape.quote("AAPL", "120", "121")
        await insert_later(house, late)
        await first.knows(2)
        house.tape.quote("AAPL", "119", "120", high_bid="122")
        house.tape.quote("AAPL", "118", "119")
        await saved(house, 122)
    await epoch(house, 2)
    second = Watch(house, 2)
    house.tape.quote("AAPL", "117", "118")
    async with second.running():
        await second.knows(2)
        house.tape.quote("AAPL", "116", "117")
        (hand,) = await second.handed(early)
        assert hand.stop_price == 117
        house.tape.quote("AAPL", "115", "115.9")
        hands = await second.handed(early, late)
    assert {hand.order_id: hand.stop_price for hand in hands} == {
        early.order_id: Decimal(117),
        late.order_id: Decimal("115.9"),
    }


async def insert_later(house: House, order: Order) -> None:
    await insert(house, replace(order, accepted_at=utc_now()))


async def saved(house: House, high_bid: int) -> None:
    async def there() -> bool:
        return await house.count("quote_extremes", f"high_bid = {high_bid}") == 1

    await until(there)


async def test_without_trailing_stops_no_prices_are_kept(watch: Watch, house: House) -> None:
    await epoch(house, 1)
    await house.pool.execute("INSERT INTO quote_extremes VALUES ('AAPL', now(), 5, 4), ('GONE', now(), 5, 4)")
    trailing, other = sale(trail_amount="5", symbol="MSFT"), sale(limit_price="200")
    await insert(house, trailing, other)
    async with watch.running():
        await watch.knows(2)

        async def only_msft() -> bool:
            symbols = await house.pool.fetch("SELECT DISTINCT symbol FROM quote_extremes")
            return [row["symbol"] for row in symbols] == ["MSFT"]

        await until(only_msft)
        ended = replace(trailing, status=Status.CANCELLED, version=3)
        await update(house, ended, utc_now())

        async def none() -> bool:
            return await house.count("quote_extremes") == 0

        await until(none)


async def update(house: House, order: Order, at: datetime) -> None:
    await house.pool.execute(
        "UPDATE orders SET status = $2, version = $3, updated_at = $4 WHERE id = $1",
        order.order_id,
        order.status,
        order.version,
        at,
    )


async def test_what_an_older_trigger_still_wants_to_keep_is_not_kept(house: House) -> None:
    await epoch(house, 2)
    resting = Resting(house.pool)
    unsaved = Unsaved([("AAPL", (utc_now(), 5, 4))], [], [])
    await resting.keep(unsaved, epoch=1)
    assert await house.count("quote_extremes") == 0
    await resting.keep(unsaved, epoch=2)
    assert await house.count("quote_extremes") == 1
    await resting.keep(Unsaved([], [], ["AAPL"]), epoch=1)
    assert await house.count("quote_extremes") == 1


async def test_a_row_that_changed_without_being_seen_is_found_when_all_are_compared(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resting_rows, "PAGE", 3)
    memory = RestingOrders()
    read = RestingRows(Resting(house.pool), memory, every_symbol)
    orders = [sale(limit_price="200") for _ in range(8)]
    await insert(house, *orders)
    await read.load()
    unseen = utc_now() - timedelta(hours=1)
    await update(house, replace(orders[5], status=Status.CANCELLED, version=3), unseen)
    new = sale(limit_price="200")
    await insert(house, new)
    await update(house, replace(new, version=3), unseen)
    monkeypatch.setattr(resting_rows, "COMPARE_PAUSE_S", 0)
    read._compare_at = 0
    came: set[str] = set()
    expected = {order.order_id for order in [*orders, new]} - {orders[5].order_id}
    async with asyncio.timeout(20):
        while set(memory.order_ids()) != expected:
            await read.read(came)
    assert came == {"AAPL"}


async def test_it_watches_only_its_own_instruments(house: House) -> None:
    memory = RestingOrders()
    mine, other = sale(limit_price="200"), sale(limit_price="200", symbol="MSFT")
    await insert(house, mine, other)
    await RestingRows(Resting(house.pool), memory, "AAPL".__eq__).load()
    assert memory.order_ids() == [UUID(str(mine.order_id))]
