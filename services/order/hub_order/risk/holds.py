"""What is refused where money and shares are set aside: codes of the position service, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from hub_errors import Conflict, HubError, Refused
from hub_money import to_text
from hub_order.risk.facts import Draft

# What a purchase holds is the quantity at one of these.
PRICES: Final = ("limit_price", "stop_price", "trail_amount", "trail_percent")

_STATES: Final[Mapping[str, str]] = {
    "account_closed": "The account is closed.",
    "account_restricted": "The account is restricted: it may sell what it has, and buy nothing.",
    "account_reducing": "The account may only reduce: it may sell, make an open purchase smaller or cheaper, "
    "and buy nothing else.",
    "account_halted": "Trading is halted for this account.",
}


def hold_refusal(
    code: str,
    *,
    draft: Draft,
    required: Decimal | None,
    available: Decimal | None,
    most_position: Decimal | None = None,
) -> HubError:
    """The refusal for a hold that was not granted. The numbers are the caller's own, so they may be told. Of
    a replacement they are beside what the old order has."""
    symbol, field = draft.symbol, draft.told_of("quantity")
    needed, there, replaces = _amount(required), _amount(available), draft.replaces is not None
    match code:
        case "insufficient_funds":
            than = " more in cash than the one that it replaces" if replaces else " in cash"
            sentence = f"The order needs {needed}{than}, and {there} is available."
            return Refused(sentence, code=code, field=draft.told_of("quantity", *PRICES))
        case "insufficient_shares":
            than, more = (" more than the one that it replaces", " more") if replaces else ("", "")
            sentence = f"The order sells {needed} {symbol}{than}, and {there}{more} can be sold."
            return Refused(sentence, code=code, field=field)
        case "position_limit":
            most = "" if most_position is None else f" {to_text(most_position)}"
            sentence = f"The account may have at most{most} {symbol}, open purchases included."
            return Refused(sentence, code=code, field=field)
        case "hold_released":
            return Conflict("The order came too late and was given up.", code="order_abandoned")
        case "hold_conflict":
            return Conflict("This order id is taken.", code="order_id_taken", field=draft.told_of("order_id"))
        case _:
            sentence = _STATES.get(code, "The account may not send this order now.")
            return Refused(sentence, code=code or "hold_refused")


def refused_part(
    symbol: str, percentage: Decimal, available: Decimal | None, lot_size: Decimal | None
) -> HubError:
    """Why a percentage of what can be sold sells nothing."""
    if not available:
        # The hold does not say which.
        sentence = (
            f"Nothing of {symbol} can be sold now: the account has none, or its open orders sell all of it."
        )
        return Refused(sentence, code="nothing_to_close", field="symbol")
    sentence = (
        f"{to_text(percentage)} % of the {to_text(available)} {symbol} that can be sold is less than "
        f"{_amount(lot_size)}, the least that can be."
    )
    return Refused(sentence, code="less_than_one_lot", field="percentage")


def _amount(value: Decimal | None) -> str:
    return "nothing" if value is None else to_text(value)
