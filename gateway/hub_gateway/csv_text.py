"""Rows of comma-separated values (RFC 4180) that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from hub_money import to_text

# What a spreadsheet takes for the begin of a formula; the wide forms are of East Asian keyboards.
_BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def csv_rows(rows: Iterable[Iterable[str | Decimal]]) -> bytes:
    """The rows in UTF-8, each with its CRLF. A number may begin with a sign, a text may not."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _harmless(cell: str | Decimal) -> str:
    """A text somebody chose must not become a formula on another's screen."""
    if isinstance(cell, Decimal):
        return to_text(cell)
    return f"'{cell}" if cell.lstrip(" ").startswith(_BEGINS_FORMULA) else cell
