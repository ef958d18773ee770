"""Orders are held against the books of a real position service: what does not fit is named once it was seen
twice, and what was only on its way never is."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from hub.order.v1 import order_pb2
from hub_errors import Denied
from hub_market_client import QuoteCache
from hub_order import reconcile
from hub_order.books import Books
from hub_order.domain.reconciliation import HeldOrder, HoldingOrder, Key, Pass, hold_difference
from hub_order.reconciler import DIFFERENCES, Reconciler, tell
from hub_order.store import Reconciling
from hub_order.usecases import reconciliation
from hub_order.usecases.reconciliation import Look, Reconciliation, judged, look_at_all
from hub_position import mapping as position_mapping
from hub_position.clients import Market
from hub_position.domain.fees import FeeSchedule
from hub_position.domain.reconciliation import TookTooLong
from hub_position.store import Reconciling as BooksStore
from hub_position.usecases import place_holds
from hub_position.worker import handle
from hub_postgres import HeldLock, connect_pool
from hub_rpc import calling_as
from hub_runtime import utc_now
from tests.order.house import House
from tests.position.days import snapshot
from tests.position.house import position_house
from tests.position.world import DEPOSIT, World
from tests.support.servers import Database
from tests.support.tls import Tls
from tests.support.tokens import TokenUser as User

AGO = timedelta(days=1)
FEES = FeeSchedule(Decimal("0.0025"))
BOOKED = {"order.executed", "order.closed", "order.replaced"}


@dataclass
class Both:
    """The order service as it is tested, beside the position service; `carry` is the broker."""

    house: House
    world: World
    database: Database
    books: Books
    days: Market

    @property
    def store(self) -> Reconciling:
        return Reconciling(self.house.pool)

    async def hold(self) -> None:
        """Places in position what the orders have placed."""
        requests = [
            position_mapping.read_hold_request(hold.request, FEES) for hold in self.house.books.holds.values()
        ]
        await place_holds(requests, pool=self.world.pool, deposit=DEPOSIT, now=utc_now())

    async def carry(self) -> None:
        await self.hold()
        events = [event for event in await self.house.events() if event.type in BOOKED]
        await handle(events, pool=self.world.pool, market=self.days, deposit=DEPOSIT, clock=utc_now)

    async def damage(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self.database.superuser.dsn)
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(statement, *values)
        await connection.close()

    async def look(self) -> Look:
        """At everything until now."""
        now = await self.store.now()
        look = Look(store=self.store, books=self.books, since=now - AGO, cut=now)
        await look_at_all(look)
        return look

    async def found(self) -> set[tuple[str, str]]:
        return {(kind, id_) for kind, _, id_ in (await self.look()).found}

    def passes(self) -> Reconciliation:
        return Reconciliation(store=self.store, books=self.books, cut=timedelta(0))


@pytest.fixture
async def both(house: House, tls: Tls, database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Both]:
    made = await database("hub_position")
    cache = QuoteCache()
    cache.apply(snapshot())
    async with await connect_pool(made.runtime.url, made.runtime.password, size=4) as pool:
        world = World(pool)
        async with position_house(world, tls) as position, position.channel("order") as channel:
            yield Both(house, world, made, Books(channel), Market(cache, FEES))


@pytest.fixture
async def bought(both: Both, user: User) -> list[UUID]:
    """The executions of five purchases, all booked."""
    orders = [await both.house.accepted(user) for _ in range(5)]
    await both.house.execute(*orders)
    await both.carry()
    return [
        row["id"] for row in await both.house.pool.fetch("SELECT id FROM executions ORDER BY executed_at, id")
    ]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 2)
    monkeypatch.setattr(reconciliation, "ACCOUNTS", 1)


async def test_healthy_books_have_no_differences(both: Both, bought: list[UUID], user: User) -> None:
    await both.house.resting(user)
    await both.house.resting(user, limit_price="96", symbol="MSFT", quantity="1.5")
    cancelled = await both.house.resting(user, limit_price="94")
    await both.house.cancel(user, cancelled)
    await both.carry()
    look = await both.look()
    assert look.found == {}
    counted = {"accounts": 1, "executions": 5, "trades": 5, "holds": 2, "orders": 2}
    assert dict(look.counts) == counted


@pytest.mark.usefixtures("small_pages")
async def test_every_execution_and_trade_is_met_over_page_borders(
    both: Both, bought: list[UUID], user: User
) -> None:
    for _ in range(5):
        await both.house.resting(user)
    other = both.house.keys.user()
    await both.house.execute(await both.house.accepted(other))
    await both.carry()
    look = await both.look()
    assert look.found == {}
    assert dict(look.counts) == {"accounts": 2, "executions": 6, "trades": 6, "holds": 5, "orders": 5}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("which", range(5))
async def test_a_trade_that_is_gone_an_execution_that_is_gone_and_one_that_differs_are_named(
    both: Both, bought: list[UUID], which: int
) -> None:
    gone, unknown, changed = (bought[(which + step) % 5] for step in range(3))
    await both.damage("DELETE FROM trades WHERE trade_id = $1", gone)
    await both.house.tamper(f"DELETE FROM executions WHERE id = '{unknown}'")
    await both.house.tamper(f"UPDATE executions SET price = price + 1 WHERE id = '{changed}'")
    kinds = {"missing_trade", "unknown_trade", "different_trade"}
    assert {(kind, id_) for kind, id_ in await both.found() if kind in kinds} == {
        ("missing_trade", str(gone)),
        ("unknown_trade", str(unknown)),
        ("different_trade", str(changed)),
    }


async def test_the_books_themselves_are_checked(both: Both, bought: list[UUID]) -> None:
    await both.damage("UPDATE accounts SET cash_settled = cash_settled + 1")
    assert await both.found() == {("cash_settled", "")}


async def test_open_orders_and_open_holds_are_held_against_each_other(both: Both, user: User) -> None:
    orders = [await both.house.resting(user) for _ in range(4)]
    await both.carry()
    holds = [(await both.house.order(order_id)).hold_id for order_id in orders]
    await both.damage("DELETE FROM holds WHERE hold_id = $1", holds[0])
    await both.damage("UPDATE holds SET remaining = 0, closed_at = now() WHERE hold_id = $1", holds[1])
    await both.damage("UPDATE holds SET booked_count = 1, booked_quantity = 3 WHERE hold_id = $1", holds[2])
    await both.house.tamper(
        f"UPDATE orders SET status = 'CANCELLED', version = version + 1 WHERE id = '{orders[3]}'"
    )
    found = {(kind, id_) for kind, id_ in await both.found() if kind.endswith("_hold")}
    assert found == {
        ("missing_hold", str(holds[0])),
        ("missing_hold", str(holds[1])),
        ("different_hold", str(holds[2])),
        ("orphan_hold", str(holds[3])),
    }


async def test_a_hold_without_an_order_is_named(both: Both, user: User) -> None:
    order_id = await both.house.resting(user)
    await both.carry()
    await both.house.tamper(f"DELETE FROM orders WHERE id = '{order_id}'")
    assert {kind for kind, _ in await both.found()} == {"orphan_hold"}


async def test_a_purchase_for_an_amount_and_a_replacement_fit(both: Both, user: User) -> None:
    await both.house.accepted(user, notional="500", quantity="")
    old = await both.house.resting(user)
    with calling_as(user.token):
        request = order_pb2.ReplaceOrderRequest(order_id=str(old), quantity="12", limit_price="96")
        request.new_order_id = str(uuid4())
        await both.house.stub.ReplaceOrder(request)
    await both.carry()
    assert await both.found() == set()


async def test_what_is_younger_than_the_cut_is_left_out(both: Both, user: User) -> None:
    await both.house.execute(await both.house.accepted(user))
    await both.house.resting(user)
    now = await both.store.now()
    look = Look(store=both.store, books=both.books, since=now - AGO, cut=now - timedelta(minutes=1))
    await look_at_all(look)
    assert look.found == {}


async def test_a_difference_that_heals_by_itself_is_not_told(both: Both, user: User) -> None:
    passes = both.passes()
    await both.house.execute(await both.house.accepted(user))
    await both.house.resting(user)
    first = await passes.make()
    assert {each.kind for each in first.suspects} == {"missing_trade", "missing_hold"}
    assert not first.differences
    await both.carry()
    second = await passes.make()
    assert not [*second.differences, *second.suspects]


async def test_what_a_second_pass_sees_is_told_until_it_is_gone(both: Both, bought: list[UUID]) -> None:
    await both.damage("UPDATE trades SET symbol = 'MSFT' WHERE trade_id = $1", bought[2])
    await both.damage("UPDATE accounts SET held = held + 5")
    passes = both.passes()
    first, second, third = [await passes.make() for _ in range(3)]
    kinds = {"different_trade", "cash_held"}
    assert {each.kind for each in first.suspects} == kinds
    assert not first.differences
    for each in (second, third):
        assert {difference.kind for difference in each.differences} == kinds
        assert not each.suspects
    assert [each.first_seen_at for each in third.differences] == [
        each.first_seen_at for each in first.suspects
    ]
    await both.damage("UPDATE accounts SET held = held - 5")
    assert [each.kind for each in (await passes.make()).differences] == ["different_trade"]


async def test_who_takes_over_knows_what_was_seen_before(both: Both, bought: list[UUID]) -> None:
    await both.damage("UPDATE accounts SET held = held + 5")
    await both.passes().make()
    taken_over = await both.passes().make()
    assert [each.kind for each in taken_over.differences] == ["cash_held"]
    assert await both.store.newest() == taken_over


async def test_accounts_that_did_nothing_are_looked_at_in_turn(both: Both, small_pages: None) -> None:
    owners = sorted([await both.world.owner() for _ in range(3)], key=lambda owner: owner.account_id)
    await both.damage("UPDATE accounts SET cash_settled = 0 WHERE account_id = $1", owners[2].account_id)
    passes = both.passes()
    seen = [bool((await passes.make()).suspects) for _ in range(3)]
    assert seen == [False, False, True]


async def test_not_more_are_kept_than_fit(
    both: Both, bought: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MOST_DIFFERENCES", 3)
    await both.damage("UPDATE trades SET symbol = 'MSFT'")
    passes = both.passes()
    await passes.make()
    second = await passes.make()
    assert len(second.differences) == 3
    assert second.more >= 2


def logged(capsys: pytest.CaptureFixture[str], part: str = "reconciler") -> list[dict[str, str]]:
    """What that part has logged since it was asked last."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("part") == part]


async def test_the_job_tells_each_difference_once_and_counts_them(
    both: Both, bought: list[UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    await both.damage("UPDATE accounts SET held = held + 5")
    passes, told = both.passes(), set[Key]()
    for _ in range(3):
        tell(await passes.make(), told)
    [line] = logged(capsys)
    assert (line["event"], line["level"], line["kind"]) == ("books_differ", "error", "cash_held")
    assert (line["expected"], line["found"]) == ("0", "5")
    assert DIFFERENCES.labels("cash_held")._value.get() == 1
    await both.damage("UPDATE accounts SET held = held - 5")
    tell(await passes.make(), told)
    await asyncio.sleep(0)  # what is no error is written at the end of the turn
    assert [line["event"] for line in logged(capsys)] == ["difference_gone"]
    assert ("cash_held",) not in DIFFERENCES._metrics


async def test_the_job_goes_on_when_the_books_cannot_be_asked(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = HeldLock("test")

    class Away:
        async def check(self, account_ids: Any) -> Any:
            raise AssertionError

        async def check_after(self, account_id: UUID, *, limit: int) -> Any:
            lock.lost.set()
            raise Denied("Not now.", code="away")

    away: Any = Away()
    await Reconciler(store=Reconciling(house.pool), books=away, interval_s=60).lead(lock)
    assert [line["event"] for line in logged(capsys)] == ["reconciliation_failed"]
    assert await Reconciling(house.pool).newest() is None


async def test_administrators_read_the_newest_pass(both: Both, bought: list[UUID]) -> None:
    admin, request = both.house.keys.user(roles=("user", "admin")), order_pb2.GetReconciliationRequest()
    with calling_as(admin.token):
        assert not (await both.house.admin.GetReconciliation(request)).HasField("reconciliation")
    await both.damage("UPDATE accounts SET held = held + 5")
    passes = both.passes()
    for _ in range(2):
        done = await passes.make()
    with calling_as(admin.token):
        told = (await both.house.admin.GetReconciliation(request)).reconciliation
    [difference] = told.differences
    assert (difference.kind, difference.expected, difference.found) == ("cash_held", "0", "5")
    assert dict(told.counts) == dict(done.counts)
    with calling_as(both.house.keys.user().token), pytest.raises(Denied):
        await both.house.admin.GetReconciliation(request)


async def test_the_command_looks_twice(both: Both, bought: list[UUID], user: User) -> None:
    done = await reconcile.twice(both.store, both.books, since=None, pause_s=0)
    assert not done.differences
    await both.damage("UPDATE accounts SET held = held + 5")
    done = await reconcile.twice(both.store, both.books, since=reconcile.FIRST_DAY, pause_s=0)
    [difference] = done.differences
    account = user.account_id
    assert str(difference) == f"account {account}: cash_held: expected 0, found 5"
    with redirect_stdout(io.StringIO()) as out:
        out.write(reconcile._summary(done))
    assert "1 accounts" in out.getvalue()
    assert "1 differences" in out.getvalue()


NOW = datetime.fromisoformat("2026-03-02T15:00:00+00:00")
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
ORDER, HOLD, ACCOUNT = uuid4(), uuid4(), uuid4()


def order(**fields: Any) -> HoldingOrder:
    values: dict[str, Any] = {"order_id": ORDER, "account_id": ACCOUNT, "hold_id": HOLD, "open": True}
    values |= {"filled_quantity": Decimal(3), "filled_value": Decimal(30), "execution_count": 1}
    return HoldingOrder(**{**values, "accepted_at": BEFORE, "updated_at": BEFORE, **fields})


def hold(**fields: Any) -> HeldOrder:
    values: dict[str, Any] = {"order_id": ORDER, "account_id": ACCOUNT, "hold_id": HOLD, "open": True}
    values |= {"placed_at": BEFORE, "by_value": False, "booked_quantity": Decimal(3), "booked_count": 1}
    return HeldOrder(**{**values, **fields})


@pytest.mark.parametrize(
    ("held", "holding", "kind"),
    [
        (hold(), order(), None),
        (hold(by_value=True, booked_quantity=Decimal(30)), order(), None),
        (hold(by_value=True), order(), "different_hold"),
        (hold(booked_count=0, booked_quantity=Decimal(0)), order(), "different_hold"),
        (hold(booked_count=0, booked_quantity=Decimal(0)), order(updated_at=AFTER), None),
        (None, order(), "missing_hold"),
        (hold(open=False), order(), "missing_hold"),
        (None, order(accepted_at=AFTER), None),
        (None, order(open=False), None),
        (hold(), None, "orphan_hold"),
        (hold(placed_at=AFTER), None, None),
        (hold(hold_id=uuid4()), order(), "orphan_hold"),
        (hold(open=False, hold_id=uuid4()), order(), None),
        (hold(), order(open=False), "orphan_hold"),
        (hold(), order(open=False, updated_at=AFTER), None),
        (hold(booked_count=0), order(open=False), None),
        (hold(open=False), order(open=False), None),
        (None, None, None),
    ],
)
def test_a_hold_and_its_order(held: HeldOrder | None, holding: HoldingOrder | None, kind: str | None) -> None:
    difference = hold_difference(held, holding, cut=NOW)
    assert (None if difference is None else difference.kind) == kind


def test_nothing_is_known_before_the_first_look() -> None:
    look: Any = Look(store=None, books=None, since=BEFORE, cut=NOW)  # type: ignore[arg-type]
    assert judged(look, {}, NOW) == Pass(
        finished_at=NOW, since=BEFORE, cut=NOW, counts={}, differences=[], suspects=[], more=0
    )


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> set[UUID]:
    """Accounts with too much of a past."""
    accounts = set[UUID]()
    check = BooksStore.check

    async def checking(store: Any, account_ids: Any, *, since: bool = False, limit_s: float = 20) -> Any:
        if not since and accounts & set(account_ids):
            raise TookTooLong
        return await check(store, account_ids, since=since, limit_s=limit_s)

    monkeypatch.setattr(BooksStore, "check", checking)
    return accounts


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, list[UUID]]]:
    """Whose books were asked for by name: whether only what came since, and which."""
    calls = list[tuple[bool, list[UUID]]]()
    check = Books.check

    async def checking(books: Any, account_ids: Any, *, since: bool = False) -> Any:
        calls.append((since, list(account_ids)))
        return await check(books, account_ids, since=since)

    monkeypatch.setattr(Books, "check", checking)
    return calls


async def traded(both: Both, count: int) -> list[UUID]:
    """Accounts that bought something, by id."""
    users = [both.house.keys.user() for _ in range(count)]
    for user in users:
        await both.house.execute(await both.house.accepted(user))
    await both.carry()
    return sorted(user.account_id for user in users)


async def test_a_pass_asks_for_what_came_to_the_books_and_for_the_whole_where_something_is_wrong(
    both: Both, asked: list[tuple[bool, list[UUID]]]
) -> None:
    accounts = await traded(both, 2)
    passes = both.passes()
    await passes.make()
    assert asked == [(True, accounts)]
    await both.damage(
        "UPDATE accounts SET cash_settled = cash_settled + 1 WHERE account_id = $1", accounts[0]
    )
    seen = [await passes.make() for _ in range(2)]
    assert [len(each.differences) for each in seen] == [0, 1]
    assert asked[1:] == [(False, accounts[:1])]


async def test_accounts_to_which_a_pass_does_not_come_wait_for_the_next(
    both: Both, asked: list[tuple[bool, list[UUID]]], small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "BOOKS_S", 0)
    accounts = await traded(both, 3)
    passes = both.passes()
    for _ in range(4):
        await passes.make()
    assert asked == [(True, [account]) for account in accounts]


async def test_rounds_go_on_past_books_that_are_too_much_and_it_is_told(
    both: Both, huge: set[UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    owners = sorted([(await both.world.owner()).account_id for _ in range(3)])
    huge.add(owners[1])
    await both.damage("UPDATE accounts SET held = 5 WHERE account_id = $1", owners[2])
    passes = both.passes()
    for _ in range(2):
        done = await passes.make()
        assert done.too_long == (owners[1],)
    assert [(each.kind, each.account_id) for each in done.differences] == [("cash_held", str(owners[2]))]
    tell(done, {each.key for each in done.differences})
    await asyncio.sleep(0)
    [line] = logged(capsys)
    assert (line["event"], line["level"]) == ("books_not_checked", "warning")
    assert line["account_id"] == str(owners[1])


async def test_of_books_that_are_too_much_what_came_lately_is_still_held_against_what_was_right(
    both: Both, bought: list[UUID], user: User, huge: set[UUID]
) -> None:
    passes, account = both.passes(), user.account_id
    await passes.make()
    huge.add(account)
    await both.house.execute(await both.house.accepted(user))
    await both.carry()
    await both.damage("UPDATE accounts SET cash_settled = cash_settled + 1 WHERE account_id = $1", account)
    seen = [await passes.make() for _ in range(3)]
    kinds = [{each.kind for each in one.differences} for one in seen]
    assert kinds == [set(), {"cash_settled"}, {"cash_settled"}]
    await both.damage("UPDATE accounts SET cash_settled = cash_settled - 1 WHERE account_id = $1", account)
    assert not (await passes.make()).differences


async def test_the_command_names_accounts_that_it_could_not_look_at(both: Both, huge: set[UUID]) -> None:
    [first, second] = await traded(both, 2)
    huge.add(first)
    await both.damage("UPDATE accounts SET held = held + 5 WHERE account_id = $1", second)
    done = await reconcile.twice(both.store, both.books, since=None, pause_s=0)
    assert done.too_long == (first,)
    assert [each.account_id for each in done.differences] == [str(second)]
