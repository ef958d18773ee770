"""Corporate actions for tests, each of an instrument that no other test trades."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from hub_position.domain.actions import ActionType, CorporateAction, Progress
from hub_position.domain.reconciliation import BookDifference
from hub_position.domain.trade import Side
from hub_position.store import Reconciling
from hub_position.usecases import Executed, apply_action
from hub_runtime import utc_now
from tests.position.world import START, Owner, World, ending, execution, hold_of


def new_symbol() -> str:
    return f"T{uuid4().hex[:10].upper()}"


def split(symbol: str, ratio: str, *, minute: int, lieu: str = "") -> CorporateAction:
    """`lieu` is the price that parts of shares are paid out at."""
    price = Decimal(lieu) if lieu else None
    return CorporateAction(uuid4(), symbol, ActionType.SPLIT, Decimal(ratio), at(minute), price)


def dividend(symbol: str, amount: str, *, minute: int) -> CorporateAction:
    return CorporateAction(uuid4(), symbol, ActionType.DIVIDEND, Decimal(amount), at(minute))


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


async def apply_once(world: World, action: CorporateAction) -> Progress:
    return await apply_action(action, pool=world.pool, now=utc_now())


async def apply_to_all(world: World, action: CorporateAction) -> Progress:
    """Page by page, as the order service asks for it."""
    while True:
        progress = await apply_once(world, action)
        if progress.done or progress.open_holds:
            return progress


def bought(owner: Owner, symbol: str, quantity: str, price: str, *, minute: int) -> Executed:
    return execution(hold_of(owner, Side.BUY, quantity, price, symbol=symbol), price, minute=minute)


def sold(owner: Owner, symbol: str, quantity: str, price: str, *, minute: int) -> Executed:
    return execution(hold_of(owner, Side.SELL, quantity, symbol=symbol), price, minute=minute)


async def traded(world: World, owner: Owner, fact: Executed) -> None:
    """Of an order that has ended and never held anything."""
    trade = fact.trade
    hold = hold_of(owner, trade.side, str(trade.quantity), str(trade.price), symbol=trade.symbol)
    hold = hold.__class__(**{**hold.__dict__, "hold_id": trade.hold_id, "order_id": trade.order_id})
    await world.book([fact], [ending(hold, quantity=str(trade.quantity), count=1)])


async def differences(world: World, *owners: Owner) -> Sequence[BookDifference]:
    return (await Reconciling(world.pool).check([owner.account_id for owner in owners])).differences


async def differences_since(world: World, *owners: Owner) -> Sequence[BookDifference]:
    """Only of what came since the books were found right the last time."""
    ids = [owner.account_id for owner in owners]
    return (await Reconciling(world.pool).check(ids, since=True)).differences


async def dividends_of(world: World, owner: Owner) -> Decimal:
    """What the ledger says was earned."""
    query = """SELECT coalesce(-sum(amount), 0) FROM postings
               WHERE account_id = $1 AND ledger_account = 'dividends'"""
    return Decimal(await world.pool.fetchval(query, owner.account_id))


async def effects_of(world: World, owner: Owner) -> dict[UUID, dict[str, Decimal]]:
    query = "SELECT * FROM action_effects WHERE account_id = $1"
    return {row["action_id"]: dict(row) for row in await world.pool.fetch(query, owner.account_id)}
