"""Reads the parts of a Markdown page that say what can be checked: sections, tables, fences, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_CELL: Final = re.compile(r"(?<!\\)\|")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True)
class Section:
    """A heading of the second level, and all until the next one."""

    heading: str
    text: str

    @property
    def tables(self) -> list[Table]:
        return list(_tables(self.text))

    def table(self, *columns: str) -> Table:
        """The one that begins with these columns."""
        [found] = [table for table in self.tables if table.columns[: len(columns)] == columns]
        return found


@dataclass(frozen=True)
class Fence:
    """A fenced block: where it begins, the line above it, what is in it."""

    line: int
    above: str
    content: tuple[str, ...]


def sections(page: Path) -> list[Section]:
    _, *parts = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [Section(*(half.strip() for half in part.partition("\n")[::2])) for part in parts]


def fences(text: str) -> list[Fence]:
    """Indented blocks are not fenced and not commands."""
    found: list[Fence] = []
    inside: list[str] | None = None
    above, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("```"):
            if inside is None:
                inside, start = [], number
            else:
                found.append(Fence(start, above, tuple(inside)))
                inside, above = None, ""
        elif inside is not None:
            inside.append(line)
        elif line.strip():
            above = line.strip()
    if inside is not None:
        raise ValueError(f"line {start}: the block never ends")
    return found


def links(page: Path) -> list[str]:
    """Those that stay in the repository, as they are written."""
    outside = ("http://", "https://", "mailto:")
    return [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not link.startswith(outside)]


def anchors(page: Path) -> set[str]:
    """What a link may point to behind its #, by the rule of those who render such pages."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def quoted(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def _tables(text: str) -> Iterator[Table]:
    rows: list[tuple[str, ...]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(_cells(line))
        elif rows:
            columns, _, *body = rows
            yield Table(columns, tuple(body))
            rows = []


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1])
