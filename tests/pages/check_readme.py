"""`python -m tests.pages.check_readme --gateway URL`: does what README.md and CONTRIBUTING.md say.

Every command is run against a system that is up, with users of its own, and its output is held against the
page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import sys
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from hub_local.layout import state_directory
from tests.pages.blocks import Block, Drawing, Paths, Source, Step, Steps, Targets, UnknownBlockError, blocks
from tests.pages.markdown import ROOT
from tests.pages.shapes import MORE, DifferenceError, Pairs, compare, compare_output, documents, shown
from tests.pages.shell import CommandError, Shell, shell

PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
ADDRESS: Final = "127.0.0.1:8080"
"""The gateway's, as pages say it."""
PATIENCE_S: Final = 15.0
_CHANGES: Final = re.compile(r"\s(-d|-X|-F|--data\S*|--request)\b")
_ROUTE: Final = re.compile(r"""["'`](/[a-z][\w/.-]*)[?"'`]""")


@dataclass(frozen=True)
class Place:
    """Where the commands of a page really go."""

    gateway: str
    state: Path
    """The folder that pages call `.local`."""
    new: str
    """A word that no user's address of an earlier run has."""
    patience_s: float
    """How long one may have to look again until the page is right."""

    def real(self, text: str) -> str:
        """Of a command or an output: with the gateway's address, this Python, and users who are new."""
        text = text.replace(ADDRESS, urlsplit(self.gateway).netloc)
        text = re.sub(r"(?<![\w/])\.venv/bin/python\b", sys.executable, text)
        text = re.sub(r"(?<![\w/])\.local/", f"{self.state}/", text)
        return re.sub(r"\b(\w+)@example\.com", rf"\1-{self.new}@example.com", text)


async def check(
    text: str, gateway: str, *, state: Path | None = None, patience_s: float = PATIENCE_S
) -> list[str]:
    """What is wrong with a page: nothing, or a line for each fault. `state` is the folder of the stack, where
    that is not the one of `make run`."""
    place = Place(gateway, state or state_directory(ROOT), secrets.token_hex(4), patience_s)
    try:
        found = blocks(text)
    except UnknownBlockError as error:
        return [str(error)]
    faults = []
    async with shell(ROOT) as session:
        for block in found:
            faults += [f"line {block.line}: {fault}" for fault in await _faults(block, session, place)]
    return faults


async def _faults(block: Block, session: Shell, place: Place) -> list[str]:
    match block:
        case Steps():
            return await _steps(block, session, place)
        case Targets():
            return await _targets(block, session)
        case Paths():
            return [f"there is no {path}" for path in block.paths if not (ROOT / path).exists()]
        case Source():
            return await _source(block, place)
        case Drawing():
            return []


async def _steps(block: Steps, session: Shell, place: Place) -> list[str]:
    for step in block.steps:
        try:
            await _take(step, session, place)
        except (DifferenceError, CommandError, OSError, WebSocketException) as error:  # a timeout is one too
            return [f"$ {step.command}: {error or 'no answer in time'}"]  # what follows needs it
    return []


async def _targets(block: Targets, session: Shell) -> list[str]:
    faults = []
    for command in block.commands:
        try:
            await _can_be_made(command, session)
        except (CommandError, TimeoutError) as error:
            faults.append(f"{command}: {error}")
    return faults


async def _source(block: Source, place: Place) -> list[str]:
    routes = sorted(set(_ROUTE.findall(block.text)))
    if not routes:
        return ["there is no path of the gateway in it"]
    async with httpx.AsyncClient(base_url=place.gateway, timeout=10, trust_env=False) as http:
        return [
            f"the gateway has no {route}" for route in routes if (await http.get(route)).status_code == 404
        ]


async def _take(step: Step, session: Shell, place: Place) -> None:
    """A command that only looks is given time: what it looks at may come a moment later."""
    command, page = place.real(step.command), place.real("\n".join(step.output))
    if (address := Step(command).socket) is not None:
        await _talk(address, page.splitlines(), session, place.patience_s)
        return
    until = time.monotonic() + (place.patience_s if _CHANGES.search(command) is None else 0)
    while True:
        output = await session.run(command)
        try:
            compare_output(page, output)
        except DifferenceError:
            if time.monotonic() >= until:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _talk(address: str, lines: list[str], session: Shell, patience_s: float) -> None:
    """Says what stands behind `> `; what stands behind `< ` has to be answered, in any order."""
    if any(line[:2] not in {"> ", "< "} for line in lines):
        raise DifferenceError("a talk has lines that begin with > and <")
    async with connect(address, proxy=None) as socket:
        for said, group in groupby(lines, key=lambda line: line[0] == ">"):
            messages = [line[2:] for line in group]
            if said:
                for message in messages:
                    await socket.send(await _filled_in(message, session))
            else:
                expected = [document for message in messages for document in shown(message)]
                async with asyncio.timeout(patience_s):
                    await _answered(expected, socket)


async def _filled_in(message: str, session: Shell) -> str:
    """Where the page leaves out the end of a text, the session's variable of the field's name has it."""
    fields: dict[str, Any] = json.loads(message)
    for name, value in fields.items():
        if isinstance(value, str) and value.endswith(MORE):
            fields[name] = await session.variable(name.upper())
    return json.dumps(fields)


async def _answered(expected: list[Any], socket: ClientConnection) -> None:
    """A message of a type that is expected must have its shape; others are of no interest."""
    while expected:
        [found] = documents(str(await socket.recv()))
        assert isinstance(found, Pairs)
        kind = dict(found)["type"]
        waiting = [document for document in expected if dict(document)["type"] == kind]
        if waiting:
            compare(waiting[0], found, f"{kind}: ")
            expected.remove(waiting[0])
        elif kind == "error":
            raise DifferenceError(f"it answered {dict(found)}")


async def _can_be_made(command: str, session: Shell) -> None:
    """`make x` is known to make; `git clone ... && cd ...` is how one gets here."""
    for part in command.split("&&"):
        if part.split()[0] == "make":
            await session.run(part.replace("make", "make -n", 1) + " >/dev/null")
        elif part.split()[:2] != ["git", "clone"] and part.split()[0] != "cd":
            raise CommandError("only `make ...` and `git clone ... && cd ...` are known here")


def _main(gateway: str) -> int:
    try:
        httpx.get(f"{gateway}/healthz", timeout=5, trust_env=False)
    except httpx.HTTPError as error:
        sys.stderr.write(f"nobody answers at {gateway} ({error}); start the system with make run\n")
        return 2
    wrong = False
    for page in PAGES:
        faults = asyncio.run(check(page.read_text(encoding="utf-8"), gateway))
        wrong = wrong or bool(faults)
        said = [f"{page.name}: {fault}" for fault in faults] or [f"{page.name}: everything is as it says"]
        sys.stdout.writelines(f"{line}\n" for line in said)
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default=f"http://{ADDRESS}", help="of a system that is up")
    sys.exit(_main(parser.parse_args().gateway))
