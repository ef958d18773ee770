"""Run with an older tree first on the module path: starts that tree's stack on an existing state folder and
runs its demonstration. Uses only what a stack has always had."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

from hub_local.layout import SERVICES
from hub_local.ports import Ports
from hub_local.stack import Stack


def check_origin(exported: Path) -> None:
    """Installed packages must not have come before the older ones."""
    for package in ("hub_local", "hub_runtime", *(service.package for service in SERVICES.values())):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None or not Path(spec.origin).is_relative_to(exported):
            sys.exit(f"{package} is imported from {spec and spec.origin}, not from {exported}")


async def demonstrate(state: Path) -> int:
    stack = Stack(state=state, ports=Ports.probe(tuple(SERVICES)))
    try:
        await stack.start()
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub_local.demo", "--gateway", stack.gateway_url), cwd=state
        )
        return await demo.wait()
    finally:
        await stack.stop()


if __name__ == "__main__":
    check_origin(Path(sys.argv[1]).resolve())
    sys.exit(asyncio.run(demonstrate(Path(sys.argv[2]))))
