"""Holding the books of many accounts against themselves: few at first, more as long as it goes fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from hub_position.domain.reconciliation import BookDifference, Checked, TookTooLong
from hub_position.store import Reconciling

# No others are begun after that, and several at once have no longer either.
BEGIN_S: Final = 5.0
# For one alone, of its whole past or of what came lately: this is asked for often.
WHOLE_S: Final = 30.0
SINCE_S: Final = 10.0
FAST_S: Final = 0.5
MOST_DIFFERENCES: Final = 1000


async def check_in_turn(
    account_ids: Sequence[UUID],
    *,
    store: Reconciling,
    since: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Checked:
    """As many of them as there is time for, in their order, the first in any case. One that has too much to
    look at is named and does not stand in the way of the others."""
    alone_s, began, at_once, place = SINCE_S if since else WHOLE_S, clock(), 1, 0
    looked_at, too_long = list[UUID](), list[UUID]()
    differences, more = list[BookDifference](), 0
    while place < len(account_ids) and (not place or clock() - began < BEGIN_S):
        some, started = account_ids[place : place + at_once], clock()
        try:
            checked = await store.check(some, since=since, limit_s=alone_s if len(some) == 1 else BEGIN_S)
        except TookTooLong:
            if len(some) == 1:
                too_long += some
                place += 1
            at_once = 1
            continue
        looked_at += some
        place += len(some)
        differences += checked.differences
        more += checked.more
        if clock() - started < FAST_S:
            at_once *= 2
    dropped = max(len(differences) - MOST_DIFFERENCES, 0)
    return Checked(
        looked_at,
        differences[:MOST_DIFFERENCES],
        more + dropped,
        too_long=too_long,
        out_of_time=place < len(account_ids),
    )
