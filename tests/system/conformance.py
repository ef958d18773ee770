"""What schemathesis checks beside its own checks (its hooks; see test_contract)."""

from __future__ import annotations

from typing import Any, Final

import schemathesis

# Refusals that a schema cannot tell: they depend on other members, on other requests, or on lists.
BEYOND_SCHEMA: Final = frozenset(
    {
        "amount_not_allowed",
        "amount_required",
        "closes_before_open",
        "ex_date_not_ahead",
        "ex_date_too_far",
        "extended_hours_not_allowed",
        "invalid_amount",
        "invalid_decimal",  # a JSON number with an exponent
        "invalid_email",  # more than 64 characters before the @
        "invalid_page_token",
        "invalid_percentage",
        "invalid_ratio",
        "invalid_reason",  # nothing but blanks
        "inverted_range",
        "lot_size",
        "market_time_not_later",
        "market_time_too_far",
        "not_a_trading_day",
        "nothing_to_change",
        "nothing_to_replace",
        "notional_not_allowed",
        "overlapping_hours",
        "page_too_deep",
        "price_not_allowed",
        "price_required",
        "quantity_or_percentage",
        "quantity_required",
        "quantity_too_large",
        "quantity_too_small",
        "range_too_long",
        "ratio_not_allowed",
        "ratio_required",
        "stop_not_allowed",
        "stop_required",
        "tick_size",
        "too_precise",  # of a JSON number
        "trail_not_allowed",
        "trail_required",
        "trail_too_large",
        "unknown_timezone",
        "weak_password",
        "zero",  # a JSON number may be it
    }
)


@schemathesis.check
def only_rules_refuse(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Whatever fits the schemas is accepted, or refused by a rule that schemas have no words for."""
    fits = case.meta is not None and case.meta.generation.mode.is_positive
    if fits and response.status_code == 400:
        problem = response.json()
        assert problem["code"] in BEYOND_SCHEMA, f"refused though it fits the schema: {problem}"
