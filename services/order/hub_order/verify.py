"""The command `verify-audit`: says what is wrong with the history, line by line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import date
from uuid import UUID

from hub_order.store.anchors import Anchors
from hub_order.store.audit import reading
from hub_order.usecases.verification import Verification
from hub_postgres import connect_pool, database_faults
from hub_runtime import DatabaseSettings

NAME = "verify-audit"
MEANING = (
    "hold the whole history against itself, then exit: 0 nothing found, 1 something, or no such order "
    "(--since DAY, --order ID)"
)


async def verify_audit(settings: DatabaseSettings, arguments: Sequence[str]) -> int:
    """Reads only, with the service's own role; the service may run meanwhile."""
    options = _parser().parse_args(arguments)
    url, password = settings.database_url, settings.database_password
    findings = 0
    with database_faults():
        async with await connect_pool(url, password, size=1) as pool, reading(url, password) as history:
            verification = Verification(history, Anchors(pool))
            found = (
                verification.order(options.order) if options.order else verification.everything(options.since)
            )
            async with aclosing(found):
                async for finding in found:
                    findings += 1
                    sys.stdout.write(f"{finding}\n")
                    sys.stdout.flush()
    if options.order and not any(verification.counts.values()):
        sys.stdout.write(f"there is no order {options.order}, and nothing was refused about one\n")
        return 1
    sys.stdout.write(_summary(verification, findings))
    return 1 if findings else 0


def _summary(verification: Verification, findings: int) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in verification.counts.items())
    said = "nothing is wrong" if not findings else f"{findings} faults"
    last = verification.anchored
    anchored = "" if last is None else f"anchored until {last.day}, digest {last.digest.hex()}\n"
    return f"{counts}: {said}\n{anchored}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m hub_order {NAME}", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="only from this UTC day on")
    what.add_argument("--order", type=UUID, metavar="ID", help="only this order")
    return parser
