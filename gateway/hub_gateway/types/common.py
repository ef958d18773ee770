"""What many documents share."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType


def described(description: str, *examples: object, **schema: Any) -> Meta:
    """Words, examples and limits for the document; the handlers check the limits, with codes of ours."""
    return Meta(description=description, examples=list(examples) or None, extra_json_schema=schema or None)


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every answer is: all members are always there, null where there is nothing to say."""


# What a person can read: no control characters, no white space but blanks. Exact for Latin-1; elsewhere the
# handlers refuse a few more.
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u00a0\u00ad]*$"
DECIMAL = r"^-?[0-9]+(\.[0-9]{1,8})?$"
# Not zero; twelve digits before the point.
POSITIVE = r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,8})?$"
TEXT = {"type": "string", "pattern": POSITIVE}
NUMBER = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1_000_000_000_000}

Decimal = Annotated[str, described("An exact decimal number, at most 8 places.", "1234.5", pattern=DECIMAL)]
AnyDecimal = Annotated[
    msgspec.Raw,
    described(
        "A positive decimal, at most 8 places. A JSON number is read digit by digit, never as a float, and "
        "has no exponent.",
        "10",
        anyOf=[TEXT, NUMBER],
    ),
]
OptionalDecimal = Annotated[
    msgspec.Raw,
    described(
        "A positive decimal, at most 8 places, or null. A JSON number has no exponent.",
        "432.50",
        anyOf=[TEXT, NUMBER, {"type": "null"}],
    ),
]
AveragePrice = Annotated[
    Decimal | None,
    described("To the places that are certain: 8, or fewer below one share; null of nothing.", "432.71"),
]
Id = Annotated[str, described("UUID.", "01a20e32-4061-7c52-9d0f-2f6a0f4f3b11", format="uuid", maxLength=36)]
Time = Annotated[
    str, described("RFC 3339 in UTC, microseconds.", "2026-11-24T14:30:00.000000Z", format="date-time")
]
Day = Annotated[str, described("An ISO date.", "2026-11-27", format="date")]
Symbol = Annotated[
    str, described("Names an instrument.", "AAPL", pattern="^[A-Z0-9][A-Z0-9.\\-]{0,15}$", maxLength=16)
]
PageToken = Annotated[
    str, described("What to send as page_token for the page after this one; null on the last.")
]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why it did not work (RFC 9457)."""

    type: Annotated[str, described("urn:hub:problem: and the code.", "urn:hub:problem:insufficient_funds")]
    title: Annotated[str, described("The status in words.", "Unprocessable Content")]
    status: Annotated[int, described("The HTTP status.", 422)]
    detail: Annotated[
        str, described("For people.", "The order needs 454210 in cash, and 95672.9 is available.")
    ]
    code: Annotated[str, described("Stable, for programs.", "insufficient_funds")]
    field: Annotated[
        str | UnsetType, described("The member, parameter or header it is about, if one is.", "quantity")
    ] = UNSET
    order_id: Annotated[
        str | UnsetType,
        described("With in_doubt and without an Idempotency-Key: the order to look for.", format="uuid"),
    ] = UNSET
    trace_id: Annotated[
        str, described("Names the request in the platform's logs.", "c80152f2a31d4f0e9d2b5c7a8e6f1d20")
    ]
