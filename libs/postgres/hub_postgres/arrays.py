"""Many rows as parameters of one statement: an array for each column, written as PostgreSQL reads one.

asyncpg looks at every element of an array several times before it encodes it: most of the time of a statement
went there. A text is one parameter, whatever it holds, and the server reads it as fast as anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Final
from uuid import UUID

import msgspec
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


def array_text(values: Sequence[object]) -> str:
    """Texts, numbers, ids, times, bytes, enumerations and None, as an array that has no other dimension.

    JSON writes a list of these as PostgreSQL reads an array, and is written in no time. Only control
    characters and bytes are not the same.
    """
    kinds = set(map(type, values))
    for kind in kinds:
        _check(kind)
    if bytes not in kinds:
        text = _encode(values).decode()
        if "\\" not in text or "\\" not in text.replace("\\\\", "").replace('\\"', ""):
            return f"{{{text[1:-1]}}}"
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: object) -> str:
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return _encode(value).decode()


@cache
def _check(kind: type) -> None:
    if kind not in _KNOWN and not issubclass(kind, Enum):
        raise TypeError(f"{kind.__name__} cannot be an element of an array")


_KNOWN: Final = frozenset({str, Uuid, UUID, Decimal, bool, int, datetime, date, bytes, type(None)})
_encode: Final = msgspec.json.Encoder().encode
