"""The position service's process: the only place that builds pools, channels and connections."""

from __future__ import annotations

from hub_postgres import migrate as apply_migrations
from hub_runtime import Process, main

from hub_position.settings import PositionSettings

JOBS = {
    "serve": "answers gRPC: holds, balance, positions, ledger",
    "work": "books executions and the ends of orders",
    "relay": "publishes what the others wrote into the outbox",
}


async def run(settings: PositionSettings, jobs: frozenset[str], process: Process) -> None:
    raise NotImplementedError


async def migrate(settings: PositionSettings) -> None:
    await apply_migrations(settings.database_url, settings.database_password, package="hub_position")


if __name__ == "__main__":
    main(
        "position",
        "Accounts, the cash ledger, holds, positions and trades.",
        JOBS,
        PositionSettings,
        run,
        migrate,
    )
