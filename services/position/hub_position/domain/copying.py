"""Copies of values with some of their fields changed. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def replace(value: T, **fields: Any) -> T:
    """What `dataclasses.replace` does, for frozen dataclasses without slots and without cached properties, in
    a fraction of its time: it sets every field anew, and a booking changes several values several times."""
    known = value.__dict__
    if not fields.keys() <= known.keys():
        raise TypeError(f"{type(value).__name__} has no {fields.keys() - known.keys()}")
    after = object.__new__(type(value))
    after.__dict__.update(known, **fields)
    return after
