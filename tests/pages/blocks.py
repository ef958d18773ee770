"""What a fenced block of a page is, and so how it is checked. A block that is none of these is a fault."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from tests.pages.markdown import Fence, fences

_MARK: Final = re.compile(r"<!-- check-readme: (\w+)\b.*-->")
_MENTION: Final = re.compile(r"`(make [a-z][^`]*)`")
_SOCKET: Final = re.compile(r"-m websockets (ws://\S+)$")


class UnknownBlockError(Exception):
    """Nobody would notice if such a block were wrong."""


@dataclass
class Step:
    """A command, and what the page shows of its output."""

    command: str
    output: list[str] = field(default_factory=list)

    @property
    def socket(self) -> str | None:
        """The address, where the command is a WebSocket client and the output a talk with it."""
        found = _SOCKET.search(self.command)
        return found[1] if found else None


@dataclass(frozen=True)
class Steps:
    """Commands behind `$ `, run one after the other in the session of the page."""

    line: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Targets:
    """Commands of make and git that are not run, but could be: make knows the targets."""

    line: int
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Paths:
    """The first word of each line is a path of the repository."""

    line: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A program to be copied: the paths that it asks the gateway for exist."""

    line: int
    text: str


@dataclass(frozen=True)
class Drawing:
    line: int


Block = Steps | Targets | Paths | Source | Drawing


def blocks(page: str) -> list[Block]:
    """The fenced ones and, of the text, the mentions of `make x`. Raises UnknownBlockError."""
    mentions = [
        Targets(number, tuple(found))
        for number, line in enumerate(page.splitlines(), start=1)
        if (found := _MENTION.findall(line))
    ]
    return [*mentions, *(_block(fence) for fence in fences(page))]


def _block(fence: Fence) -> Block:
    mark = _MARK.fullmatch(fence.above)
    kind = mark[1] if mark else "steps" if fence.content and fence.content[0].startswith("$ ") else ""
    commands = tuple(line for line in fence.content if line.strip())
    match kind:
        case "steps":
            return Steps(fence.line, tuple(_steps(fence)))
        case "targets" if all(line.split()[0] in {"make", "git"} for line in commands):
            return Targets(fence.line, commands)
        case "paths":
            return Paths(fence.line, tuple(line.split()[0] for line in commands if not line.startswith(" ")))
        case "source":
            return Source(fence.line, "\n".join(fence.content))
        case "drawing":
            return Drawing(fence.line)
    raise UnknownBlockError(
        f"line {fence.line}: nobody knows how to check this block; it begins with `$ `, or the line above it "
        "says <!-- check-readme: targets|paths|source|drawing ... -->"
    )


def _steps(fence: Fence) -> list[Step]:
    found: list[Step] = []
    goes_on = False
    for line in fence.content:
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ ")))
        elif goes_on:
            found[-1].command += f"\n{line}"
        elif line.strip():
            if not found:
                raise UnknownBlockError(f"line {fence.line}: an output without a command")
            found[-1].output.append(line)
        goes_on = bool(found) and not found[-1].output and line.endswith("\\")
    return found
