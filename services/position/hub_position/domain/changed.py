"""`dataclasses.replace` for what changes with every booking, in an eighth of the time.

For plain frozen dataclasses only: no slots, no `__post_init__`, nothing cached from fields that change.
"""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def changed(value: Value, **fields: object) -> Value:
    """The same but for these fields."""
    assert fields.keys() <= value.__dict__.keys(), fields  # noqa: S101 - a misspelt field is a defect
    copy = object.__new__(type(value))
    copy.__dict__.update(value.__dict__, **fields)
    return copy
