"""What `make run` does, with stand-ins for the services: python -m tests.local.foreground STATE."""

import asyncio
import os
import sys
from pathlib import Path

from hub_local.outside import Outside
from hub_local.report import Report
from hub_local.running import run
from tests.local.dummies.table import stack_of_dummies

if __name__ == "__main__":
    reporting = Report()
    outside = Outside.from_environment(os.environ)
    stack = stack_of_dummies(Path(sys.argv[1]), on_event=reporting.event, outside=outside)
    sys.exit(asyncio.run(run(stack, demonstrate=False, report=reporting)))
