"""Many rows as parameters of one statement: an array for each column, written as PostgreSQL reads one.

asyncpg looks at every element of an array several times before it encodes it: most of the time of a statement
went there. A text is one parameter, whatever it holds, and the server reads it as fast as anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from asyncpg.pgproto import pgproto

Uuid: type[UUID] = pgproto.UUID
"""A `uuid.UUID` that is read, written and compared in a fraction of the time; rows have these."""


def array_parameters(kinds: Iterable[str] | str, first: int = 1) -> str:
    """What `unnest` is given for columns of these types, when `column_arrays` are the parameters. In a text
    the types have spaces between."""
    kinds = kinds.split() if isinstance(kinds, str) else kinds
    return ", ".join(f"${number}::text::{kind}[]" for number, kind in enumerate(kinds, first))


def column_arrays(rows: Iterable[Sequence[object]]) -> list[str]:
    """An array for each column of the rows, of which there is at least one."""
    return [array_text(column) for column in zip(*rows, strict=True)]


def no_rows(width: int) -> list[str]:
    """The same of so many columns without a row."""
    return ["{}"] * width


def array_text(values: Iterable[object]) -> str:
    """Texts, numbers, ids, times, bytes and None, as an array that has no other dimension."""
    return "{" + ",".join([(_WRITERS.get(type(value)) or _writer(value))(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _hexadecimal(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _writer(value: object) -> Callable[[Any], str]:
    """Of a type that is not known by itself, such as an enumeration's."""
    for kind, writer in _WRITERS.items():
        if isinstance(value, kind):
            return writer
    raise TypeError(f"{type(value).__name__} cannot be an element of an array")


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: _quoted,
    Uuid: str,
    UUID: str,
    Decimal: str,
    bool: lambda value: "t" if value else "f",
    int: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    bytes: _hexadecimal,
    type(None): lambda _: "NULL",
}
