"""Cash that comes and goes beside trades."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hub_gateway.types.common import Answer, Decimal, Id, PageToken, Time, described

TransferKind = Literal["deposit", "withdrawal", "adjustment"]
CENTS = r"^(?=.*[1-9])[0-9]{1,12}(\.[0-9]{1,2}0*)?$"
Cash = Annotated[
    msgspec.Raw,
    described(
        "A positive amount in whole cents. A JSON number is read digit by digit and has no exponent.",
        "250.00",
        anyOf=[
            {"type": "string", "pattern": CENTS},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1_000_000_000_000},
        ],
    ),
]
SignedCash = Annotated[
    msgspec.Raw,
    described(
        "An amount in whole cents, negative to take cash away.",
        "-12.50",
        anyOf=[{"type": "string", "pattern": f"^-?{CENTS[1:]}"}, {"type": "number"}],
    ),
]


class Transfer(Answer, frozen=True):
    """A deposit, a withdrawal or an adjustment."""

    transfer_id: Annotated[Id, described("Also the transaction_id of its postings.")]
    kind: TransferKind
    amount: Annotated[Decimal, described("What it did to the cash: a withdrawal is negative.", "250")]
    reason: Annotated[str | None, described("Why, of an adjustment.", "goodwill")]
    moved_at: Time | None


class Transfers(Answer, frozen=True):
    """A page, newest first."""

    transfers: list[Transfer]
    next_page_token: PageToken | None
