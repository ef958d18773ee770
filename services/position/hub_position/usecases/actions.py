"""Applying splits and dividends: to each account once, some accounts in each transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_errors import Conflict
from hub_position.domain.actions import ActionType, CorporateAction, Progress
from hub_position.domain.batch import Batch
from hub_position.domain.histories import Histories
from hub_position.domain.position import Position, PositionKey
from hub_position.store import Actions, Books
from hub_position.usecases.writing import write
from hub_postgres import Connection, Pool, transaction
from hub_runtime import crash_point, uuid7

ACCOUNTS_AT_ONCE: Final = 50
MOST_COUNTED: Final = 1000


async def apply_action(action: CorporateAction, *, pool: Pool, now: datetime) -> Progress:
    """To the next accounts. Raises Conflict where another action is known by its id."""
    async with transaction(pool) as connection:
        actions = Actions(connection)
        found = await actions.known(action.action_id)
        if found is None:
            holds = await actions.open_holds(action.symbol) if action.type is ActionType.SPLIT else 0
            if holds:
                return Progress(open_holds=holds)
            await actions.learn(action)
        elif replace(found[0], lieu_price=action.lieu_price) != action:
            raise Conflict("Another action has this id.", code="corporate_action_conflict", field="action_id")
        elif found[1]:
            return Progress(done=True)
        else:
            # The price that was told first is the one.
            action = found[0]
    crash_point("position.action.after_known")
    async with transaction(pool) as connection:
        progress = await _apply(action, connection, now)
        crash_point("position.action.before_commit")
    crash_point("position.action.after_commit")
    return progress


async def _apply(action: CorporateAction, connection: Connection, now: datetime) -> Progress:
    actions, books = Actions(connection), Books(connection)
    account_ids = await actions.next_holders(action, ACCOUNTS_AT_ONCE)
    if account_ids:
        accounts = await books.lock_accounts(account_ids)
        positions = await books.lock_positions({(account_id, action.symbol) for account_id in account_ids})
        known = await actions.of_symbols([action.symbol])
        anew = await _to_fold_anew(action, known[action.symbol], positions, actions)
        batch = Batch(
            accounts=accounts,
            positions=positions,
            holds={},
            histories=await read_histories(anew, known, books=books, actions=actions),
            new_id=uuid7,
            now=now,
        )
        for key in sorted(positions):
            batch.catch_up(key)
        await write(batch, books=books, causes={})
        await actions.advance(action, account_ids[-1])
    left = len(await actions.next_holders(action, MOST_COUNTED + 1))
    if not left:
        await actions.finish(action)
    return Progress(accounts=len(account_ids), left=left, done=not left)


async def _to_fold_anew(
    action: CorporateAction,
    known: list[CorporateAction],
    positions: Mapping[PositionKey, Position],
    actions: Actions,
) -> set[UUID]:
    """Where the action does not simply come after all that is folded in already."""
    behind = [position for position in positions.values() if position.actions != len(known)]
    if not behind:
        return set()
    if known[-1] != action or await actions.others_under_way(action):
        return {position.position_id for position in behind}
    # All the others are folded in everywhere: this one alone is missing.
    return await actions.traded_since(behind, action)


async def read_histories(
    position_ids: Collection[UUID],
    known: Mapping[str, list[CorporateAction]],
    *,
    books: Books,
    actions: Actions,
) -> Histories:
    """All facts of these positions, and the actions that are known."""
    if not position_ids:
        return Histories({}, known, {})
    effects = await actions.effects(position_ids) if known else {}
    return Histories(await books.histories(position_ids), known, effects)
