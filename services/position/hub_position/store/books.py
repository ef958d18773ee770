"""The statements of a writing transaction. Every writer locks accounts, then positions, each in id order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from hub_errors import Unavailable
from hub_events import OutboxRow, enqueue
from hub_position.domain.account import Account, AccountState, StateChange
from hub_position.domain.actions import ActionEffect, CorporateAction
from hub_position.domain.hold import Drawn, Hold
from hub_position.domain.ledger import Posting, SharePosting
from hub_position.domain.placing import NewHold
from hub_position.domain.position import Booked, Position, PositionKey
from hub_position.store import columns, rows
from hub_position.store.actions import ACTION, ACTION_COLUMNS, BARRIER, WRITE_EFFECTS, by_symbol
from hub_position.store.changes import Changes, write_changes
from hub_position.store.columns import insert, rows_of
from hub_postgres import Connection, array_parameters, column_arrays

# ruff: noqa: S608 - statements are put together from constants at import, parameters are parameters

OPEN_ACCOUNTS = """
    INSERT INTO accounts (account_id, user_id, cash_settled)
    SELECT account_id, user_id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS new (account_id, user_id)
    ORDER BY account_id ON CONFLICT DO NOTHING RETURNING account_id
"""

LOCK_ACCOUNTS = f"""
    SELECT {rows.ACCOUNT} FROM accounts WHERE account_id = ANY ($1::uuid[]) ORDER BY account_id FOR UPDATE
"""

# For who books trades: see store.actions.
LOCK_ACCOUNTS_TO_BOOK = f"""
    SELECT {rows.ACCOUNT} FROM (SELECT pg_advisory_xact_lock_shared({BARRIER})) AS barrier, accounts
    WHERE account_id = ANY ($1::uuid[]) ORDER BY account_id FOR UPDATE OF accounts
"""

LOCK_ACCOUNTS_OF_HOLDS = f"""
    SELECT {rows.ACCOUNT} FROM accounts
    WHERE account_id IN (SELECT account_id FROM holds WHERE hold_id = ANY ($1::uuid[]))
    ORDER BY account_id FOR UPDATE
"""

LOCK_STATE = f"SELECT {rows.STATE} FROM accounts WHERE account_id = $1 FOR UPDATE"

LOCK_POSITIONS = f"""
    SELECT {rows.POSITION} FROM positions JOIN {rows_of({"account_id": "uuid", "symbol": "text"})}
    USING (account_id, symbol) ORDER BY position_id FOR UPDATE OF positions
"""

HOLDS = f"SELECT {rows.HOLD} FROM holds WHERE hold_id = ANY ($1::uuid[])"

# What a request that comes again finds: by its hold's id, or by its key.
HOLDS_AND_KEYS = f"""
    SELECT {rows.HOLD} FROM holds WHERE hold_id = ANY ($1::uuid[])
    UNION ALL
    SELECT {rows.HOLD} FROM holds
    JOIN unnest({array_parameters("uuid text", 2)}) AS key (account_id, idempotency_key)
    USING (account_id, idempotency_key)
"""

# The account's row is locked: nobody else places holds for it, or books, while these are added up.
PURCHASES = f"""
    SELECT account_id, symbol,
           coalesce((SELECT quantity FROM positions
                     WHERE positions.account_id = new.account_id AND positions.symbol = new.symbol), 0)
           + coalesce((SELECT sum(greatest(least(quantity, final_quantity) - booked_quantity, 0)) FROM holds
                       WHERE holds.account_id = new.account_id AND holds.symbol = new.symbol
                         AND side = 'BUY' AND closed_at IS NULL AND NOT by_value), 0) AS quantity
    FROM {rows_of({"account_id": "uuid", "symbol": "text"})}
"""

GIVE_UP_KEYS = "UPDATE holds SET idempotency_key = NULL WHERE hold_id = ANY ($1::uuid[])"

# `held` grows by the rows that were really inserted, nothing else.
PLACE_HOLDS = f"""
    WITH placed AS ({insert("holds", columns.NEW_HOLDS)} ON CONFLICT DO NOTHING
                    RETURNING hold_id, account_id, side, symbol, remaining),
    cash AS (
        UPDATE accounts SET held = held + more.amount, version = version + 1, updated_at = now()
        FROM (SELECT account_id, sum(remaining) AS amount FROM placed
              WHERE side = 'BUY' AND remaining > 0 GROUP BY account_id) AS more
        WHERE accounts.account_id = more.account_id),
    shares AS (
        UPDATE positions SET held = held + more.amount, version = version + 1, updated_at = now()
        FROM (SELECT account_id, symbol, sum(remaining) AS amount FROM placed
              WHERE side = 'SELL' AND remaining > 0 GROUP BY account_id, symbol) AS more
        WHERE positions.account_id = more.account_id AND positions.symbol = more.symbol)
    SELECT hold_id FROM placed
"""

INSERT_HOLDS = f"{insert('holds', columns.NEW_HOLDS)} ON CONFLICT DO NOTHING RETURNING hold_id"

REPRICE_HOLDS = f"""
    WITH repriced AS (
        UPDATE holds SET unit_price = new.unit_price, remaining = new.remaining
        FROM {rows_of(columns.PRICES)} WHERE holds.hold_id = new.hold_id)
    UPDATE accounts SET held = held + more.amount, version = version + 1, updated_at = now()
    FROM unnest($4::uuid[], $5::numeric[]) AS more (id, amount) WHERE account_id = id
"""

# In one statement, because every booking asks both.
KNOWN_FACTS = f"""
    SELECT trade_id, {", ".join(f"NULL::{kind} AS {name}" for name, kind in ACTION_COLUMNS.items())}
    FROM trades WHERE trade_id = ANY ($1::uuid[])
    UNION ALL
    SELECT NULL, {ACTION} FROM corporate_actions WHERE symbol = ANY ($2::text[])
"""

DRAWN = """
    SELECT hold_id, count(*) AS count, sum(quantity) AS quantity, sum(gross) AS value FROM trades
    WHERE position_id = ANY ($1::uuid[]) AND hold_id = ANY ($2::uuid[]) GROUP BY hold_id
"""

HISTORY = f"""
    SELECT {rows.TRADE} FROM trades WHERE position_id = ANY ($1::uuid[]) ORDER BY executed_at, trade_id
"""

WRITE_STATES = f"""
    WITH written AS (
        UPDATE accounts SET status = new.to_status, trading_state = new.to_trading_state,
            state_reason = new.reason, state_actor = new.actor, state_changed_at = new.changed_at
        FROM {rows_of(columns.STATES)} WHERE accounts.account_id = new.account_id)
    {insert("account_state_log", columns.STATES)}
"""

NARROW_HOLDS = f"""
    UPDATE holds SET quantity = new.quantity
    FROM {rows_of(columns.QUANTITIES)} WHERE holds.hold_id = new.hold_id
"""

CONFIRM_HOLDS = "UPDATE holds SET confirmed = true WHERE hold_id = ANY ($1::uuid[]) AND NOT confirmed"

RESTATE_TRADES = f"""
    UPDATE trades SET cost_removed = new.cost_removed, realised_gross = new.realised_gross,
        realised_net = new.realised_gross - fee
    FROM {rows_of(columns.EFFECTS)} WHERE trades.trade_id = new.trade_id
"""

INSERT_POSTINGS = insert("postings", columns.POSTINGS)

INSERT_SHARE_POSTINGS = insert("share_postings", columns.SHARE_POSTINGS)


class Books:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open_accounts(self, users: Mapping[UUID, UUID], deposit: Decimal) -> list[UUID]:
        """Opens accounts (account -> user) that do not exist, with this much settled cash; answers which."""
        opened = await self._connection.fetch(OPEN_ACCOUNTS, list(users), list(users.values()), deposit)
        return [row["account_id"] for row in opened]

    async def lock_accounts(
        self, account_ids: Collection[UUID], *, to_book: bool = False
    ) -> dict[UUID, Account]:
        """Whoever means to book trades says so: no corporate action becomes known meanwhile."""
        statement = LOCK_ACCOUNTS_TO_BOOK if to_book else LOCK_ACCOUNTS
        found = await self._connection.fetch(statement, list(account_ids))
        return {row["account_id"]: rows.account(row) for row in found}

    async def lock_accounts_of_holds(self, hold_ids: Collection[UUID]) -> dict[UUID, Account]:
        found = await self._connection.fetch(LOCK_ACCOUNTS_OF_HOLDS, list(hold_ids))
        return {row["account_id"]: rows.account(row) for row in found}

    async def lock_state(self, account_id: UUID) -> AccountState | None:
        row = await self._connection.fetchrow(LOCK_STATE, account_id)
        return None if row is None else rows.account_state(row)

    async def lock_positions(self, keys: Collection[PositionKey]) -> dict[PositionKey, Position]:
        if not keys:
            return {}
        found = await self._connection.fetch(LOCK_POSITIONS, *column_arrays(list(set(keys))))
        return {(row["account_id"], row["symbol"]): rows.position(row) for row in found}

    async def holds(self, hold_ids: Collection[UUID], keys: Collection[tuple[UUID, str]] = ()) -> list[Hold]:
        """By id, and by account and idempotency key: one may come twice."""
        if keys:
            found = await self._connection.fetch(
                HOLDS_AND_KEYS, list(hold_ids), *column_arrays(list(set(keys)))
            )
        else:
            found = await self._connection.fetch(HOLDS, list(hold_ids))
        return [rows.hold(row) for row in found]

    async def purchases(self, keys: Collection[PositionKey]) -> dict[PositionKey, Decimal]:
        """What the accounts, which are locked, have of an instrument or are buying."""
        found = await self._connection.fetch(PURCHASES, *column_arrays(list(keys)))
        return {(row["account_id"], row["symbol"]): row["quantity"] for row in found}

    async def give_up_keys(self, hold_ids: Collection[UUID]) -> None:
        await self._connection.execute(GIVE_UP_KEYS, list(hold_ids))

    async def place_holds(self, placed: Sequence[NewHold]) -> set[UUID]:
        """Those that are new; their cash and shares are set aside."""
        table = column_arrays([columns.new_hold(new) for new in placed])
        return {row["hold_id"] for row in await self._connection.fetch(PLACE_HOLDS, *table)}

    async def make_holds(self, holds: Sequence[Hold]) -> None:
        """Rows that `write` fills."""
        if not holds:
            return
        table = column_arrays([columns.made_hold(hold) for hold in holds])
        if len(await self._connection.fetch(INSERT_HOLDS, *table)) != len(holds):
            # Another account has the id: everything is undone and tried again, and then it is seen.
            raise Unavailable("A hold was placed meanwhile.", code="placed_meanwhile")

    async def reprice_holds(self, holds: Sequence[Hold], rises: Mapping[UUID, Decimal]) -> None:
        """`rises` has what is set aside more, by account; less is negative."""
        table = column_arrays([columns.price(hold) for hold in holds])
        await self._connection.execute(REPRICE_HOLDS, *table, list(rises), list(rises.values()))

    async def confirm_holds(self, hold_ids: Collection[UUID]) -> int:
        done = await self._connection.execute(CONFIRM_HOLDS, list(hold_ids))
        return int(done.rsplit(" ", 1)[1])

    async def known_facts(
        self, trade_ids: Collection[UUID], symbols: Collection[str]
    ) -> tuple[set[UUID], dict[str, list[CorporateAction]]]:
        """Which of the trades are booked, and the corporate actions of these instruments."""
        found = await self._connection.fetch(KNOWN_FACTS, list(trade_ids), list(symbols))
        booked = {row["trade_id"] for row in found if row["trade_id"] is not None}
        return booked, by_symbol([row for row in found if row["trade_id"] is None])

    async def drawn(self, hold_ids: Collection[UUID], position_ids: Collection[UUID]) -> dict[UUID, Drawn]:
        """What is booked on these holds, whether they are there or not."""
        found = await self._connection.fetch(DRAWN, list(position_ids), list(hold_ids))
        return {row["hold_id"]: Drawn(row["count"], row["quantity"], row["value"]) for row in found}

    async def histories(self, position_ids: Collection[UUID]) -> dict[PositionKey, list[Booked]]:
        histories: dict[PositionKey, list[Booked]] = {}
        for row in await self._connection.fetch(HISTORY, list(position_ids)):
            histories.setdefault((row["account_id"], row["symbol"]), []).append(rows.booked(row))
        return histories

    async def write_states(self, changes: Sequence[StateChange]) -> None:
        if changes:
            table = column_arrays([columns.state(change) for change in changes])
            await self._connection.execute(WRITE_STATES, *table)

    async def narrow_holds(self, holds: Sequence[Hold]) -> None:
        """They are for less than they were placed for."""
        if holds:
            table = column_arrays([columns.quantity(hold) for hold in holds])
            await self._connection.execute(NARROW_HOLDS, *table)

    async def write(self, changes: Changes) -> None:
        if await write_changes(self._connection, changes) != len(changes.entries):
            # Somebody else booked one under another account's lock: everything is undone and tried again.
            raise Unavailable("A trade was booked meanwhile.", code="booked_meanwhile")

    async def restate_trades(self, booked: Sequence[Booked]) -> None:
        if booked:
            await self._connection.execute(
                RESTATE_TRADES, *column_arrays([columns.effect(each) for each in booked])
            )

    async def write_effects(self, effects: Sequence[tuple[UUID, Position, ActionEffect]]) -> None:
        """By action and position."""
        if effects:
            table = column_arrays([columns.action_effect(*each) for each in effects])
            await self._connection.execute(WRITE_EFFECTS, *table)

    async def post(self, postings: Sequence[Posting]) -> None:
        """Whole transactions only: the database refuses what does not add up."""
        if postings:
            table = column_arrays([columns.posting(posting) for posting in postings])
            await self._connection.execute(INSERT_POSTINGS, *table)

    async def post_shares(self, postings: Sequence[SharePosting]) -> None:
        if postings:
            table = column_arrays([columns.share_posting(posting) for posting in postings])
            await self._connection.execute(INSERT_SHARE_POSTINGS, *table)

    async def tell(self, events: Sequence[OutboxRow]) -> None:
        if events:
            await enqueue(self._connection, events)
