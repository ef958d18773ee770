"""The rules in the order they are asked in. A new one is a function and a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub_errors import Exhausted, HubError, Invalid, Refused
from hub_order.risk import account, instruments, market, terms
from hub_order.risk.facts import Facts


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` answers the sentence to refuse with, or nothing. `instead` are terms that can be the reason as
    well, for who sent them and not `field`."""

    code: str
    field: str
    error: type[HubError]
    check: Callable[[Facts], str | None]
    instead: tuple[str, ...] = ()


EXTENDED = "extended_hours_not_allowed"

RULES = (
    Rule("order_rate", "", Exhausted, account.order_rate),
    Rule("price_not_allowed", "limit_price", Invalid, terms.price_not_allowed),
    Rule("price_required", "limit_price", Invalid, terms.price_required),
    Rule("stop_not_allowed", "stop_price", Invalid, terms.stop_not_allowed),
    Rule("stop_not_allowed", "time_in_force", Invalid, terms.stop_at_once),
    Rule("stop_required", "stop_price", Invalid, terms.stop_required),
    Rule("trail_not_allowed", "trail_amount", Invalid, terms.trail_amount_not_allowed),
    Rule("trail_not_allowed", "trail_percent", Invalid, terms.trail_percent_not_allowed),
    Rule("trail_not_allowed", "time_in_force", Invalid, terms.trail_at_once),
    Rule("trail_required", "trail_amount", Invalid, terms.trail_required),
    Rule("quantity_required", "quantity", Invalid, terms.quantity_required),
    Rule("notional_not_allowed", "notional", Invalid, terms.notional_not_allowed),
    Rule(EXTENDED, "extended_hours", Invalid, terms.extended_hours_not_allowed),
    Rule(EXTENDED, "extended_hours", Invalid, terms.extended_hours_at_once, ("time_in_force",)),
    Rule("unknown_symbol", "symbol", Refused, instruments.unknown_symbol),
    Rule("not_tradable", "symbol", Refused, instruments.not_tradable),
    Rule("halted", "symbol", Refused, instruments.halted),
    Rule("market_closed", "time_in_force", Refused, instruments.market_closed),
    Rule("tick_size", "limit_price", Invalid, instruments.limit_off_tick),
    Rule("tick_size", "stop_price", Invalid, instruments.stop_off_tick),
    Rule("lot_size", "quantity", Invalid, instruments.lot_size),
    Rule("quantity_too_small", "quantity", Invalid, instruments.quantity_too_small),
    Rule("quantity_too_large", "quantity", Invalid, instruments.quantity_too_large),
    Rule("market_data_stale", "symbol", Refused, market.market_data_stale),
    Rule("stop_wrong_side", "stop_price", Refused, market.stop_wrong_side),
    Rule("price_out_of_band", "limit_price", Refused, market.limit_out_of_band, ("stop_price",)),
    Rule("price_out_of_band", "stop_price", Refused, market.stop_out_of_band),
    Rule("trail_too_large", "trail_amount", Invalid, market.trail_amount_too_large),
    Rule("trail_too_large", "trail_percent", Invalid, market.trail_percent_too_large),
    Rule("value_too_small", "quantity", Refused, account.value_too_small),
    Rule("value_too_large", "quantity", Refused, account.value_too_large, ("limit_price", "stop_price")),
    Rule("too_many_open_orders", "", Refused, account.too_many_open_orders),
    Rule("self_crossing", "symbol", Refused, account.self_crossing, ("limit_price",)),
)


def refusal(facts: Facts) -> HubError | None:
    """The first rule that says no, as an error."""
    for rule in RULES:
        sentence = rule.check(facts)
        if sentence is not None:
            return _error(rule, sentence, facts)
    return None


def _error(rule: Rule, sentence: str, facts: Facts) -> HubError:
    field = facts.draft.told_of(rule.field, *rule.instead)
    error = rule.error(sentence, code=rule.code, field=field)
    if isinstance(error, Exhausted) and facts.retry_after_s is not None:
        error.retry_after_s = facts.retry_after_s
    return error
