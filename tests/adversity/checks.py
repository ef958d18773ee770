"""What has to hold of order and position once nothing is under way, computed from the orders alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_money import money, to_text
from hub_order.domain import OPEN, TRANSITIONS, Execution, Order, Side, Status
from hub_order.store import rows
from hub_order.store.audit import EXECUTIONS, RECORDS, OrderFile
from hub_order.usecases.order_faults import faults_of
from tests.adversity.platform import Platform
from tests.position.world import Owner, World
from tests.support.tokens import TokenUser as User

ZERO, LEAST = Decimal(0), Decimal("0.00000001")
ENDS = frozenset({Status.CANCELLED, Status.EXPIRED, Status.REPLACED, Status.FAILED})

ORDER_IDS = "SELECT id FROM orders WHERE account_id = $1 ORDER BY id"
TRADES = """
    SELECT trade_id, order_id, symbol, side, quantity, price, executed_at FROM trades WHERE account_id = $1
"""
ACCOUNT = """
    SELECT status, held, cash_settled + cash_unsettled AS cash FROM accounts WHERE account_id = $1
"""
POSITIONS = "SELECT symbol, quantity, held FROM positions WHERE account_id = $1"
HOLDS = "SELECT order_id, remaining, unit_price, closed_at FROM holds WHERE account_id = $1"


@dataclass
class Account:
    """All there is of one account in both services."""

    files: list[OrderFile]
    trades: Sequence[Any]
    status: str
    cash: Decimal
    held: Decimal
    positions: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    holds: Sequence[Any] = ()

    @property
    def orders(self) -> list[Order]:
        return [file.order for file in self.files if file.order is not None]


async def account(platform: Platform, user: User) -> Account:
    pool, books = platform.order_pool, platform.books.pool
    ids = [row["id"] for row in await pool.fetch(ORDER_IDS, user.account_id)]
    found = await platform.orders.read(ids)
    files = {each: OrderFile(each, found[each]) for each in ids}
    for row in await pool.fetch(RECORDS, ids):
        files[row["order_id"]].records.append(rows.record(row))
    for row in await pool.fetch(EXECUTIONS, ids):
        files[row["order_id"]].executions.append(rows.execution(row))
    state = await books.fetchrow(ACCOUNT, user.account_id)
    assert state is not None
    positions = await books.fetch(POSITIONS, user.account_id)
    return Account(
        files=list(files.values()),
        trades=await books.fetch(TRADES, user.account_id),
        status=state["status"],
        cash=state["cash"],
        held=state["held"],
        positions={each["symbol"]: (each["quantity"], each["held"]) for each in positions},
        holds=await books.fetch(HOLDS, user.account_id),
    )


async def assert_right(platform: Platform, users: Iterable[User]) -> None:
    """Nothing is under way, and every account is as its orders say."""
    for user in users:
        found = await account(platform, user)
        overfilled = [each for each in found.orders if beyond(each)]
        for file in found.files:
            _assert_order(file)
            _assert_told(file, platform.broker.told.values())
        assert trades_of(found) == executions_of(found)
        _assert_held(found)
        assert found.status == ("RESTRICTED" if overfilled else "ACTIVE"), overfilled
        assert overfilled or found.cash >= found.held, f"cash {found.cash}, held {found.held}"
        assert overfilled or all(quantity >= held for quantity, held in found.positions.values())
        await World(platform.books.pool).assert_balanced(Owner(user.account_id, user.user_id))


def beyond(order: Order) -> bool:
    """Whether more was done than was ordered."""
    if order.notional is None or order.side is Side.SELL:
        return order.filled_quantity > order.quantity
    return order.filled_value > order.notional + order.execution_count * LEAST


def needs(order: Order) -> Decimal:
    """Cash, or shares, that an open order can still take."""
    if order.side is Side.SELL:
        return order.quantity - order.filled_quantity
    if order.notional is not None:
        return order.notional - order.filled_value
    price = order.limit_price or order.protection_price
    assert price is not None
    return money((order.quantity - order.filled_quantity) * price)


def executions_of(found: Account) -> set[tuple[Any, ...]]:
    return {_execution(each, file.order) for file in found.files for each in file.executions if file.order}


def trades_of(found: Account) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in found.trades}


def _execution(each: Execution, order: Order) -> tuple[Any, ...]:
    named = (each.execution_id, each.order_id, order.symbol, str(order.side))
    return (*named, each.quantity, each.price, each.executed_at)


def _assert_order(file: OrderFile) -> None:
    """Its chain is whole, and its states follow one another."""
    assert faults_of(file) == []
    order, before = file.order, Status.PENDING
    assert order is not None
    for record, _ in file.records:
        after = Status(record.status)
        assert after is before or after in TRANSITIONS[before], [each.status for each, _ in file.records]
        before = after
    if order.status is Status.EXECUTED:
        assert order.filled_quantity >= order.quantity
    if order.final:
        assert order.route is None


def _assert_told(file: OrderFile, events: Iterable[event_pb2.Envelope]) -> None:
    """Every execution was told once, and so was the end, and that it works from now on."""
    order = file.order
    assert order is not None
    mine = [event for event in events if event.aggregate_id == str(order.order_id)]
    kinds = Counter(event.type for event in mine)
    executed = [event.order_executed for event in mine if event.type == "order.executed"]
    assert sorted(each.execution_count for each in executed) == [
        number + 1 for number in range(order.execution_count)
    ]
    ends = kinds["order.closed"] + kinds["order.replaced"]
    recorded = {record.kind for record, _ in file.records}
    assert ends == (1 if order.status in ENDS and "abandoned" not in recorded else 0), (order.status, kinds)
    begun = _begun(file)
    assert kinds["order.accepted"] == (1 if "accepted" in recorded else 0) + begun
    states = {event.order_accepted.order.status for event in mine if event.type == "order.accepted"}
    assert not begun or order_pb2.ORDER_STATUS_PROCESSING in states
    if order.status is Status.EXECUTED:
        told = [each.order for each in executed]
        told += [event.order_accepted.order for event in mine if event.type == "order.accepted"]
        assert any(each.status == order_pb2.ORDER_STATUS_EXECUTED for each in told)


def _begun(file: OrderFile) -> int:
    """How often it went from PENDING to PROCESSING, after it was accepted."""
    steps = pairwise(record for record, _ in file.records)
    moved = ((before.status, after.status) for before, after in steps if after.kind != "accepted")
    return sum(each == (Status.PENDING, Status.PROCESSING) for each in moved)


def _assert_held(found: Account) -> None:
    """What is set aside is what open orders need, of each: nothing more, nothing less."""
    remaining: dict[UUID, Decimal] = defaultdict(Decimal)
    prices: dict[UUID, Decimal] = {}
    for hold in found.holds:
        remaining[hold["order_id"]] += hold["remaining"]
        if hold["closed_at"] is None:
            prices[hold["order_id"]] = hold["unit_price"]
    cash, shares = ZERO, defaultdict[str, Decimal](Decimal)
    for order in found.orders:
        need = needs(order) if order.status in OPEN else ZERO
        if need and order.reprice and order.notional is None:
            # It may have been held anew for an open that it did not live to see: its price is the hold's.
            need = money((order.quantity - order.filled_quantity) * prices[order.order_id])
        assert remaining.pop(order.order_id, ZERO) == need, _shown(order, need)
        if order.side is Side.BUY:
            cash += need
        else:
            shares[order.symbol] += need
    assert not any(remaining.values()), f"held for orders that do not exist: {dict(remaining)}"
    assert found.held == cash
    assert {symbol: held for symbol, (_, held) in found.positions.items() if held} == {
        symbol: held for symbol, held in shares.items() if held
    }


def _shown(order: Order, need: Decimal) -> str:
    filled = f"{to_text(order.filled_quantity)} of {to_text(order.quantity)}"
    return f"{order.type} {order.side} {order.status} {order.reason} {filled} needs {to_text(need)}"
