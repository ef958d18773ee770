"""What accounts may do."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Decimal, Id, Time, described

AccountStatus = Literal["ACTIVE", "RESTRICTED", "CLOSED"]
TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]


class AccountState(Answer, frozen=True):
    """What an account may do, and who said so."""

    account_id: Id
    user_id: Id
    status: Annotated[
        AccountStatus, described("RESTRICTED may only close positions, CLOSED may send no orders.")
    ]
    trading_state: Annotated[
        TradingState,
        described(
            "The kill switch: REDUCING may only sell, or make an open purchase smaller or cheaper; HALTED "
            "may send no orders."
        ),
    ]
    reason: Annotated[str | None, described("Why it is so.", "suspicious log-ins")]
    actor: Annotated[
        str | None, described("Who set it.", "admin:01a20e32-4061-7c52-9d0f-2f6a0f4f3b11", "position")
    ]
    changed_at: Annotated[Time | None, described("When it was set; null where it never was.")]


class AccountLimits(Answer, frozen=True):
    """The limits of an account's own; null: what holds for every account."""

    account_id: Id
    most_value: Annotated[Decimal | None, described("Largest value of an order.")]
    most_quantity: Annotated[Decimal | None, described("Largest quantity of an order.")]
    most_position: Annotated[Decimal | None, described("Most shares of one instrument.")]
    orders_per_minute: Annotated[int | None, described("Most orders in a minute.", 60)]
