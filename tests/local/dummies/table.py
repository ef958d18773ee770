"""A process table of two stand-ins, and a stack of them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hub_local.layout import OWN_SERVERS, Service
from hub_local.outside import Outside
from hub_local.ports import Ports
from hub_local.stack import Stack

CHECKOUT = Path(__file__).resolve().parents[3]
SERVICES = {
    "gateway": Service(name="gateway", redis=True, peers=("ledger",)),
    "ledger": Service(name="ledger", database=True, amqp=True),
}


def stack_of_dummies(
    state: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    outside: Outside = OWN_SERVERS,
    on_event: Callable[[str, str], None] = lambda _name, _text: None,
) -> Stack:
    """Not started yet; the stand-ins come first on the module path."""
    path = f"{CHECKOUT / 'tests/local/dummies'}{os.pathsep}{CHECKOUT}"
    return Stack(
        state=state,
        ports=Ports.probe(tuple(SERVICES)),
        services=SERVICES,
        overrides={"PYTHONPATH": path, **(overrides or {})},
        outside=outside,
        on_event=on_event,
    )
