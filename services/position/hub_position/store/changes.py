"""What a booking writes at its end, in one round trip: with few at a time, statements are what one costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub_events import TOLD, OutboxRow, inserting_outbox, outbox_arrays
from hub_position.domain.account import Account
from hub_position.domain.batch import Entry
from hub_position.domain.hold import Hold
from hub_position.domain.ledger import Posting
from hub_position.domain.position import Position
from hub_position.store import columns
from hub_position.store.columns import Columns, Row, insert, rows_of
from hub_postgres import Connection, column_arrays, no_rows

# ruff: noqa: S608 - the statement is put together from constants at import, parameters are parameters

_POSITIONS = 1
_TRADES = _POSITIONS + len(columns.POSITIONS)
_POSTINGS = _TRADES + len(columns.TRADES)
_HOLDS = _POSTINGS + len(columns.POSTINGS)
_ACCOUNTS = _HOLDS + len(columns.HOLDS)
_OUTBOX = _ACCOUNTS + len(columns.ACCOUNTS)

# No part sees what another one writes: they are about different tables, and each about a row once.
WRITE = f"""
    WITH written_positions AS (
        {insert("positions", columns.POSITIONS, _POSITIONS)}
        ON CONFLICT (account_id, symbol) DO UPDATE SET
            quantity = excluded.quantity, held = excluded.held, total_cost = excluded.total_cost,
            realised_pnl = excluded.realised_pnl, fees = excluded.fees, status = excluded.status,
            last_executed_at = excluded.last_executed_at, last_trade_id = excluded.last_trade_id,
            version = excluded.version, opened_at = excluded.opened_at, updated_at = excluded.updated_at,
            actions = excluded.actions, split_at = excluded.split_at, split_ratio = excluded.split_ratio,
            split_factor = excluded.split_factor,
            negative_since = excluded.negative_since),
    booked AS (
        {insert("trades", columns.TRADES, _TRADES)} ON CONFLICT DO NOTHING RETURNING trade_id),
    posted AS ({insert("postings", columns.POSTINGS, _POSTINGS)}),
    written_holds AS (
        UPDATE holds SET remaining = new.remaining, booked_quantity = new.booked_quantity,
            booked_count = new.booked_count, final_quantity = new.final_quantity,
            final_count = new.final_count, confirmed = new.confirmed, covered = new.covered,
            closed_at = CASE WHEN new.closed THEN coalesce(closed_at, now()) END
        FROM {rows_of(columns.HOLDS, first=_HOLDS)} WHERE holds.hold_id = new.hold_id),
    written_accounts AS (
        UPDATE accounts SET cash_settled = new.cash_settled, cash_unsettled = new.cash_unsettled,
            held = new.held, version = new.version, updated_at = now()
        FROM {rows_of(columns.ACCOUNTS, first=_ACCOUNTS)} WHERE accounts.account_id = new.account_id),
    told AS ({inserting_outbox(_OUTBOX)})
    SELECT (SELECT count(*) FROM booked), {TOLD}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Postings are whole transactions: the database refuses what does not add up."""

    positions: Sequence[Position]
    entries: Sequence[Entry]
    postings: Sequence[Posting]
    holds: Sequence[Hold]
    accounts: Sequence[Account]
    events: Sequence[OutboxRow]


async def write_changes(connection: Connection, changes: Changes) -> int:
    """How many trades were new."""
    [(booked, _)] = await connection.fetch(
        WRITE,
        *_arrays(columns.POSITIONS, map(columns.position, changes.positions)),
        *_arrays(columns.TRADES, map(columns.trade, changes.entries)),
        *_arrays(columns.POSTINGS, map(columns.posting, changes.postings)),
        *_arrays(columns.HOLDS, map(columns.hold, changes.holds)),
        *_arrays(columns.ACCOUNTS, map(columns.account, changes.accounts)),
        *outbox_arrays(changes.events),
    )
    return int(booked)


def _arrays(names: Columns, table: Iterable[Row]) -> list[str]:
    return column_arrays(table) or no_rows(len(names))
