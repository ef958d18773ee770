"""Keeps this process's copy of keys and deny set up to date, whichever replica changed them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub_auth import mapping
from hub_auth.publication import Publication
from hub_auth.store import Store
from hub_identity import Trust
from hub_postgres import Wakeup
from hub_runtime import Clock, get_logger

# A notification wakes it at once; this is for those that get lost.
POLL_S: Final = 0.5
SWEEP_INTERVAL: Final = timedelta(minutes=5)
# Of ended sessions the used tokens stay so long, in case someone comes back with one.
KEPT: Final = timedelta(days=7)

log = get_logger("auth")


async def follow_database(publication: Publication, *, store: Store, wakeup: Wakeup, clock: Clock) -> None:
    """For ever; to be called again when the database was away."""
    read_at: datetime | None = None
    swept_at = clock()
    while True:
        trusted = await store.trusted(read_at)
        read_at = trusted.read_at
        publication.take(trusted.keys, trusted.denied, now=clock())
        if clock() - swept_at > SWEEP_INTERVAL:
            swept_at = clock()
            await store.forget(denied_before=swept_at - SWEEP_INTERVAL, expired_before=swept_at - KEPT)
        await wakeup.wait(POLL_S)


async def follow_publication(publication: Publication, trust: Trust) -> None:
    """auth verifies tokens like every other service, without asking itself over the network."""
    await publication.loaded.wait()
    with publication.read() as reader:
        while True:
            trust.apply(mapping.trust_message(await reader.next(timeout_s=60.0)))
