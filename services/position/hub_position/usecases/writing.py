"""Writes what a batch changed, and tells the others: the end of every booking transaction."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hub_position import mapping
from hub_position.domain.batch import Batch
from hub_position.store import Books, Changes


async def write(batch: Batch, *, books: Books, causes: Mapping[UUID, str]) -> None:
    """`causes` has the trace context of trades and accounts, by id."""
    batch.finish()
    accounts = [batch.accounts[account_id] for account_id in sorted(batch.changed_accounts)]
    events = [
        mapping.changed_position(change, causes.get(change.trade_id or change.position.account_id))
        for change in batch.changes
    ]
    events += [mapping.changed_account(account, causes.get(account.account_id)) for account in accounts]
    await books.make_holds([batch.holds[hold_id] for hold_id in batch.made_holds])
    await books.write(
        Changes(
            positions=[batch.positions[key] for key in sorted(batch.changed_positions)],
            entries=batch.entries,
            postings=batch.postings,
            holds=[batch.holds[hold_id] for hold_id in sorted(batch.changed_holds)],
            accounts=accounts,
            events=events,
        )
    )
    await books.post_shares(batch.share_postings)
    await books.restate_trades(list(batch.histories.restated.values()))
    await books.write_effects(
        [
            (action_id, batch.positions[key], effect)
            for (action_id, key), effect in sorted(batch.histories.acted.items(), key=lambda item: item[0])
        ]
    )
    await books.narrow_holds([batch.holds[hold_id] for hold_id in sorted(batch.narrowed_holds)])
    await books.write_states(batch.states)
