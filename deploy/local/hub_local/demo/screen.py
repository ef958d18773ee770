"""What the demonstration looks like: numbered steps, aligned values, colour only on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic
from typing import TextIO

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"
REQUEST_WIDTH = 58


def money(value: Decimal | str) -> str:
    """12,345.60"""
    return f"{Decimal(value):,.2f}"


def signed(value: Decimal | str) -> str:
    return f"{Decimal(value):+,.2f}"


def number(value: Decimal | str) -> str:
    """As short as it can be said."""
    text = f"{Decimal(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass
class Screen:
    out: TextIO
    started: float = field(default_factory=monotonic)
    step: int = 0

    def title(self, text: str, where: str) -> None:
        self._line()
        self._line(f"  {self._paint(BOLD, text)}   {self._paint(DIM, where)}")

    def heading(self, text: str) -> None:
        self.step += 1
        self._line()
        self._line(self._paint(BOLD, f"  {self.step:>2}  {text}"))

    def request(self, line: str, result: str) -> None:
        self._line(f"      {self._paint(DIM, line.ljust(REQUEST_WIDTH))} {result}")

    def value(self, name: str, text: str) -> None:
        self._line(f"        {name:<18} {text}")

    def note(self, text: str) -> None:
        self._line(f"        {text}")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The first column is a name and stands left, the others are numbers and stand right."""
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
        for index, row in enumerate([head, *rows]):
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            text = "   ".join(cells)
            self._line("        " + (self._paint(DIM, text) if index == 0 else text))

    def verdict(self, failure: str | None) -> None:
        """The last line: plain, so that programs can read it."""
        self._line()
        self._line(f"      {monotonic() - self.started:.1f} s")
        text = "demo: OK" if failure is None else f"demo: FAILED: {failure}"
        self._line(self._paint(GREEN if failure is None else RED, text))

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.out.isatty() else text

    def _line(self, text: str = "") -> None:
        self.out.write(f"{text.rstrip()}\n")
        self.out.flush()
