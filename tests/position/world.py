"""Accounts, holds and executions for tests, through the real use cases on a real database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hub_position.domain.account import Balance
from hub_position.domain.batch import Ending, Entry, Replacement
from hub_position.domain.cash import OWNER, Movement, MovementKind
from hub_position.domain.hold import Terms
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.domain.position import Position
from hub_position.domain.trade import Side, Trade
from hub_position.store import Reads
from hub_position.usecases import (
    Ended,
    Executed,
    Facts,
    Moved,
    Replaced,
    book,
    get_balance,
    move_cash,
    place_holds,
    settle_holds,
    settle_trades,
)
from hub_postgres import Pool
from hub_runtime import utc_now, uuid7

DEPOSIT = Decimal(100_000)
START = datetime(2026, 1, 5, 15, tzinfo=UTC)
SETTLES_ON = date(2026, 1, 6)

BOOKS = ("accounts", "positions", "holds", "trades", "postings", "share_postings", "action_effects")

BALANCED = """
    SELECT a.cash_settled + a.cash_unsettled + coalesce(p.cost, 0)
               - (l.paid_in + coalesce(p.realised, 0) - coalesce(p.fees, 0) + l.dividends) AS equation,
           l.everything, l.lopsided,
           a.cash_settled - l.settled AS settled, a.cash_unsettled - l.unsettled AS unsettled,
           coalesce(p.cost, 0) - l.securities AS securities, coalesce(p.realised, 0) + l.realised AS realised,
           coalesce(p.fees, 0) - l.fees AS fees,
           a.held - coalesce(h.cash, 0) AS held_cash,
           coalesce(p.held, 0) - coalesce(h.shares, 0) AS held_shares,
           coalesce(t.realised, 0) + coalesce(e.realised, 0) - coalesce(p.realised, 0) AS trades_realised,
           l.dividends - coalesce(e.cash, 0) AS dividends,
           coalesce(p.shares, 0) - coalesce(t.shares, 0)
               - coalesce((SELECT sum(quantity_after - quantity_before) FROM share_postings
                           WHERE account_id = a.account_id), 0) AS shares
    FROM accounts a
    LEFT JOIN (SELECT account_id, sum(total_cost) AS cost, sum(realised_pnl) AS realised, sum(fees) AS fees,
                      sum(held) AS held, sum(quantity) AS shares
               FROM positions GROUP BY 1) p USING (account_id)
    LEFT JOIN (SELECT account_id, sum(remaining) FILTER (WHERE side = 'BUY') AS cash,
                      sum(remaining) FILTER (WHERE side = 'SELL') AS shares
               FROM holds WHERE closed_at IS NULL GROUP BY 1) h USING (account_id)
    LEFT JOIN (SELECT account_id, sum(realised_gross) AS realised,
                      sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS shares
               FROM trades GROUP BY 1) t USING (account_id)
    LEFT JOIN (SELECT account_id, sum(cash) AS cash, sum(lieu - cost_removed) AS realised
               FROM action_effects GROUP BY 1) e USING (account_id)
    CROSS JOIN LATERAL (
        SELECT sum(amount) AS everything,
               -coalesce(sum(amount) FILTER (WHERE ledger_account = 'external'), 0) AS paid_in,
               coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_settled'), 0) AS settled,
               coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_unsettled'), 0) AS unsettled,
               coalesce(sum(amount) FILTER (WHERE ledger_account = 'securities'), 0) AS securities,
               coalesce(sum(amount) FILTER (WHERE ledger_account = 'realised_pnl'), 0) AS realised,
               coalesce(sum(amount) FILTER (WHERE ledger_account = 'fees'), 0) AS fees,
               -coalesce(sum(amount) FILTER (WHERE ledger_account = 'dividends'), 0) AS dividends,
               (SELECT count(*) FROM (SELECT 1 FROM postings WHERE account_id = a.account_id
                                      GROUP BY transaction_id HAVING sum(amount) <> 0) x) AS lopsided
        FROM postings WHERE account_id = a.account_id) l
    WHERE a.account_id = $1
"""


@dataclass(frozen=True)
class Owner:
    account_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)


def hold_of(
    owner: Owner, side: Side, quantity: str, price: str = "0", *, symbol: str = "AAPL", key: str = ""
) -> HoldRequest:
    return HoldRequest(
        hold_id=uuid4(),
        order_id=uuid4(),
        account_id=owner.account_id,
        user_id=owner.user_id,
        side=side,
        symbol=symbol,
        quantity=Decimal(quantity),
        unit_price=Decimal(price),
        idempotency_key=key,
    )


def execution(
    hold: HoldRequest, price: str, *, quantity: str | None = None, minute: int = 0, fee: str = "0"
) -> Executed:
    moment = START + timedelta(minutes=minute)
    trade = Trade(
        trade_id=uuid4(),
        account_id=hold.account_id,
        order_id=hold.order_id,
        hold_id=hold.hold_id,
        symbol=hold.symbol,
        side=hold.side,
        quantity=hold.quantity if quantity is None else Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        executed_at=moment,
        market_time=moment,
        settles_on=SETTLES_ON,
    )
    return Executed(trade, hold.user_id)


def terms(hold: HoldRequest) -> Terms:
    return Terms(
        hold_id=hold.hold_id,
        order_id=hold.order_id,
        account_id=hold.account_id,
        side=hold.side,
        symbol=hold.symbol,
        quantity=hold.quantity,
        unit_price=hold.unit_price,
        by_value=hold.by_value,
    )


def ending(hold: HoldRequest, *, quantity: str, count: int) -> Ended:
    return Ended(Ending(hold=terms(hold), final_quantity=Decimal(quantity), final_count=count))


def replacing(old: HoldRequest, new: HoldRequest, *, quantity: str, count: int) -> Replaced:
    return Replaced(Replacement(ending(old, quantity=quantity, count=count).ending, terms(new)), new.user_id)


class World:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.reads = Reads(pool)

    async def owner(self) -> Owner:
        owner = Owner()
        await self.balance(owner)
        return owner

    async def balance(self, owner: Owner) -> Balance:
        return await get_balance(owner.account_id, owner.user_id, pool=self.pool, deposit=DEPOSIT)

    async def cash(self, owner: Owner) -> tuple[object, object]:
        """Settled and unsettled."""
        account = (await self.balance(owner)).account
        return account.settled, account.unsettled

    async def hold(self, *requests: HoldRequest) -> list[HoldAnswer]:
        return await place_holds(requests, pool=self.pool, deposit=DEPOSIT, now=utc_now())

    async def book(
        self,
        executed: Sequence[Executed] = (),
        ended: Sequence[Ended] = (),
        replaced: Sequence[Replaced] = (),
    ) -> list[Entry]:
        facts = Facts(executed, ended, replaced)
        return await book(facts, pool=self.pool, deposit=DEPOSIT, now=utc_now())

    async def move(
        self,
        owner: Owner,
        kind: MovementKind,
        amount: str,
        *,
        key: str = "",
        actor: str = OWNER,
        reason: str = "",
    ) -> Moved:
        """`amount` is what it does to the account's cash."""
        now = utc_now()
        movement = Movement(
            movement_id=uuid7(),
            account_id=owner.account_id,
            kind=kind,
            amount=Decimal(amount),
            actor=actor,
            reason=reason,
            key=key,
            moved_at=now,
        )
        return await move_cash(movement, pool=self.pool, now=now)

    async def settle_trades(self, until: date = SETTLES_ON) -> None:
        """All that is due, of all accounts."""
        while await settle_trades(until, pool=self.pool, now=utc_now()):
            pass

    async def vouch_for_all(self) -> None:
        """So that what other tests left does not fill the list of holds without an order."""
        async with self.pool.acquire() as connection:
            await connection.execute("UPDATE holds SET confirmed = true WHERE NOT confirmed")

    async def settle(
        self, *, confirmed: Sequence[HoldRequest] = (), released: Sequence[HoldRequest] = ()
    ) -> tuple[int, int]:
        return await settle_holds(
            confirmed=[hold.hold_id for hold in confirmed],
            released=[hold.hold_id for hold in released],
            pool=self.pool,
            now=utc_now(),
        )

    async def position(self, owner: Owner, symbol: str = "AAPL") -> Position:
        found = await self.reads.positions(owner.account_id)
        return next(position for position in found if position.symbol == symbol)

    async def books(self, owner: Owner) -> dict[str, list[dict[str, Any]]]:
        """Every row of the account."""
        query = "SELECT * FROM {} WHERE account_id = $1 ORDER BY 1"
        async with self.pool.acquire() as connection:
            return {
                table: [dict(row) for row in await connection.fetch(query.format(table), owner.account_id)]
                for table in BOOKS
            }

    async def trade(
        self, owner: Owner, side: Side, quantity: str, price: str, *, minute: int = 0
    ) -> Position:
        """Holds, executes and closes an order; answers the position after it."""
        hold = hold_of(owner, side, quantity, price if side is Side.BUY else "0")
        [answer] = await self.hold(hold)
        assert answer.granted
        await self.book([execution(hold, price, minute=minute)], [ending(hold, quantity=quantity, count=1)])
        await self.assert_balanced(owner)
        return await self.position(owner)

    async def assert_balanced(self, owner: Owner) -> None:
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(BALANCED, owner.account_id)
        assert row is not None
        assert {name: amount for name, amount in row.items() if amount != 0} == {}
