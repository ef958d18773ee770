"""The job that holds orders against the books, again and again, and says what does not fit."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from hub_errors import HubError
from hub_order.books import Books
from hub_order.domain.reconciliation import Key, Pass
from hub_order.store import Reconciling
from hub_order.usecases.reconciliation import Reconciliation
from hub_postgres import HeldLock
from hub_runtime import gauge, get_logger

DIFFERENCES = gauge(
    "hub_order_reconciliation_differences",
    "Differences of orders and books that two passes saw, by kind; more: those that are not listed",
    ("kind",),
)
UNTIL = gauge(
    "hub_order_reconciled_until_seconds", "How far the newest pass over the books looked, Unix time"
)

log = get_logger("reconciler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    store: Reconciling
    books: Books
    interval_s: float

    async def lead(self, lock: HeldLock) -> None:
        """Until the lock is lost; another instance goes on then, with what this one has seen."""
        reconciliation, told = Reconciliation(store=self.store, books=self.books), set[Key]()
        try:
            while not lock.lost.is_set():
                await self._attempt(reconciliation, told)
                try:
                    async with asyncio.timeout(self.interval_s):
                        await lock.lost.wait()
                except TimeoutError:
                    pass
        finally:
            DIFFERENCES.clear()

    async def _attempt(self, reconciliation: Reconciliation, told: set[Key]) -> None:
        """What cannot be looked at now is looked at in the next pass: it begins where the last whole one
        ended."""
        try:
            done = await reconciliation.make()
        except HubError as error:
            log.warning("reconciliation_failed", code=error.code)
            return
        tell(done, told)


def tell(done: Pass, told: set[Key]) -> None:
    """A line for each difference that was not `told` before, for each that is gone, and for each account
    whose books were too much to look at."""
    UNTIL.set(done.cut.timestamp())
    for account in done.too_long:
        log.warning("books_not_checked", account_id=str(account))
    DIFFERENCES.clear()
    for kind, count in Counter(each.kind for each in done.differences).items():
        DIFFERENCES.labels(kind).set(count)
    DIFFERENCES.labels("more").set(done.more)
    now = {each.key: each for each in done.differences}
    for key in now.keys() - told:
        each = now[key]
        fields = {"kind": each.kind, "account_id": each.account_id, "id": each.id, "order_id": each.order_id}
        log.error("books_differ", expected=each.expected, found=each.found, **fields)
    for kind, account_id, id_ in told - now.keys():
        log.info("difference_gone", kind=kind, account_id=account_id, id=id_)
    told.clear()
    told.update(now)
