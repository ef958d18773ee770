"""Texts that people write: what may be in them, and when two names are the same."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from hub_errors import Invalid

LONGEST_NAME: Final = 64


def printable(text: str, *, field: str, shortest: int = 0, longest: int) -> str:
    """A text a person can read: no control characters, and neither too short nor too long."""
    if not shortest <= len(text) <= longest:
        sentence = f"{field} must have {shortest} to {longest} characters."
        raise Invalid(sentence, code="invalid_length", field=field)
    if not text.isprintable():
        raise Invalid(f"{field} must not contain control characters.", code="invalid_characters", field=field)
    return text


@dataclass(frozen=True)
class Name:
    """What a user calls something: as it was written, and as names are compared."""

    text: str

    @property
    def key(self) -> str:
        return unicodedata.normalize("NFKC", self.text.casefold())


def read_name(text: str, *, field: str = "name") -> Name:
    """Without the blanks around it."""
    return Name(printable(text.strip(), field=field, shortest=1, longest=LONGEST_NAME))
