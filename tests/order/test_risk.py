"""Each rule refuses what it is there for, with its code and field, and nothing else: at its boundary, a step
inside of it and a step outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub_errors import Exhausted, Invalid, Refused
from hub_order.domain import OrderType, Side, TimeInForce
from hub_order.risk import RULES, Draft, Facts, hold_refusal, refusal
from hub_runtime import uuid7
from tests.order import build
from tests.pages.markdown import ROOT, quoted, sections

PAGE = ROOT / "services/order/README.md"
BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
STOP_LOSS, STOP_LIMIT, TRAILING = OrderType.STOP_LOSS, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP
IOC, FOK, GTC = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTC

WHOLE_SHARES = build.instrument(fractionable=False)
FIVE_TO_FIFTY = build.instrument(min_quantity=Decimal(5), max_quantity=Decimal(50))
CLOSED: dict[str, Any] = {"fresh": False, "session_open": False}
OLD = uuid7()


def buy(**fields: Any) -> Facts:
    """A purchase; the market is at 99 to 100."""
    return build.facts(build.draft(**fields))


def sell(**fields: Any) -> Facts:
    return buy(side=SELL, **fields)


def stop(price: str, *, side: Side = BUY, **fields: Any) -> Facts:
    return buy(type=STOP_LOSS, stop_price=price, side=side, **fields)


def stop_limit(price: str, limit: str, *, side: Side = BUY) -> Facts:
    return buy(type=STOP_LIMIT, stop_price=price, limit_price=limit, side=side)


def trailing(*, side: Side = SELL, **fields: Any) -> Facts:
    return buy(type=TRAILING, side=side, **fields)


def extended(**fields: Any) -> Facts:
    """A limit order with extended hours, where they are offered."""
    wanted = buy(**{"extended_hours": True, "limit_price": "99", **fields})
    return replace(wanted, extended_hours=True, extended_hours_here=True)


def limited(facts: Facts, **limits: Any) -> Facts:
    return replace(facts, limits=replace(facts.limits, **limits))


REFUSALS = [
    ("order_rate", Exhausted, "", replace(buy(), retry_after_s=0.5)),
    ("price_not_allowed", Invalid, "limit_price", buy(limit_price="99", type=MARKET)),
    ("price_not_allowed", Invalid, "limit_price", buy(limit_price="99", type=STOP_LOSS, stop_price="101")),
    ("price_not_allowed", Invalid, "limit_price", trailing(limit_price="99", trail_amount="1")),
    ("price_required", Invalid, "limit_price", buy(type=LIMIT)),
    ("price_required", Invalid, "limit_price", buy(type=STOP_LIMIT, stop_price="101")),
    ("stop_not_allowed", Invalid, "stop_price", buy(stop_price="101")),
    ("stop_not_allowed", Invalid, "stop_price", buy(limit_price="99", stop_price="101")),
    ("stop_not_allowed", Invalid, "stop_price", trailing(stop_price="90", trail_amount="1")),
    ("stop_not_allowed", Invalid, "time_in_force", stop("101", time_in_force=IOC)),
    ("stop_required", Invalid, "stop_price", buy(type=STOP_LOSS)),
    ("stop_required", Invalid, "stop_price", buy(type=STOP_LIMIT, limit_price="101")),
    ("trail_not_allowed", Invalid, "trail_amount", buy(trail_amount="1")),
    ("trail_not_allowed", Invalid, "trail_percent", stop("101", trail_percent="1")),
    ("trail_not_allowed", Invalid, "trail_percent", buy(limit_price="99", trail_percent="1", replaces=OLD)),
    ("trail_not_allowed", Invalid, "time_in_force", trailing(trail_amount="1", time_in_force=FOK)),
    ("trail_not_allowed", Invalid, "time_in_force", trailing(trail_percent="1", time_in_force=IOC)),
    ("trail_required", Invalid, "trail_amount", trailing()),
    ("trail_required", Invalid, "trail_amount", trailing(trail_amount="1", trail_percent="1")),
    ("quantity_required", Invalid, "quantity", buy(quantity=None)),
    ("notional_not_allowed", Invalid, "notional", buy(notional="100", quantity=Decimal(1))),
    ("notional_not_allowed", Invalid, "notional", buy(notional="100", limit_price="99")),
    ("notional_not_allowed", Invalid, "notional", stop("101", notional="100")),
    ("notional_not_allowed", Invalid, "notional", replace(buy(notional="100"), instrument=WHOLE_SHARES)),
    ("extended_hours_not_allowed", Invalid, "extended_hours", buy(extended_hours=True)),
    (
        "extended_hours_not_allowed",
        Invalid,
        "extended_hours",
        buy(extended_hours=True, limit_price="99"),
    ),
    ("extended_hours_not_allowed", Invalid, "extended_hours", extended(type=MARKET, limit_price=None)),
    ("extended_hours_not_allowed", Invalid, "extended_hours", extended(type=STOP_LIMIT, stop_price="101")),
    ("extended_hours_not_allowed", Invalid, "extended_hours", extended(time_in_force=IOC)),
    ("extended_hours_not_allowed", Invalid, "extended_hours", extended(time_in_force=FOK)),
    (
        "extended_hours_not_allowed",
        Invalid,
        "extended_hours",
        replace(extended(), extended_hours_here=False),
    ),
    ("unknown_symbol", Refused, "symbol", replace(extended(), instrument=None, extended_hours_here=False)),
    ("unknown_symbol", Refused, "symbol", build.facts(instrument=None, quote=None, session_open=False)),
    ("not_tradable", Refused, "symbol", build.facts(instrument=build.instrument(tradable=False))),
    ("halted", Refused, "symbol", build.facts(instrument=build.instrument(halted=True))),
    ("market_closed", Refused, "time_in_force", replace(buy(time_in_force=IOC), session_open=False)),
    ("market_closed", Refused, "time_in_force", replace(buy(time_in_force=FOK), session_open=False)),
    ("tick_size", Invalid, "limit_price", buy(limit_price="99.005")),
    ("tick_size", Invalid, "limit_price", buy(limit_price="99.00000001")),
    ("tick_size", Invalid, "stop_price", stop("101.005")),
    ("lot_size", Invalid, "quantity", replace(buy(quantity="1.5"), instrument=WHOLE_SHARES)),
    (
        "quantity_too_small",
        Invalid,
        "quantity",
        replace(buy(quantity="4.99999999"), instrument=FIVE_TO_FIFTY),
    ),
    ("quantity_too_small", Invalid, "notional", replace(buy(notional="499"), instrument=FIVE_TO_FIFTY)),
    (
        "quantity_too_large",
        Invalid,
        "quantity",
        replace(buy(quantity="50.00000001"), instrument=FIVE_TO_FIFTY),
    ),
    ("quantity_too_large", Invalid, "quantity", buy(quantity="1000000.00000001")),
    ("quantity_too_large", Invalid, "notional", replace(buy(notional="5001"), instrument=FIVE_TO_FIFTY)),
    ("market_data_stale", Refused, "symbol", build.facts(fresh=False)),
    ("market_data_stale", Refused, "symbol", build.facts(quote=None, fresh=False)),
    ("market_data_stale", Refused, "symbol", build.facts(quote=build.quote(ask="0"))),
    ("market_data_stale", Refused, "symbol", build.facts(quote=None, **CLOSED)),
    ("market_data_stale", Refused, "symbol", replace(buy(time_in_force=IOC), fresh=False, opening=True)),
    ("stop_wrong_side", Refused, "stop_price", stop("100")),
    ("stop_wrong_side", Refused, "stop_price", stop("99.99")),
    ("stop_wrong_side", Refused, "stop_price", stop("99", side=SELL)),
    ("stop_wrong_side", Refused, "stop_price", stop("99.01", side=SELL)),
    ("stop_wrong_side", Refused, "stop_price", stop_limit("100", "101")),
    ("price_out_of_band", Refused, "limit_price", buy(limit_price="105.01")),
    ("price_out_of_band", Refused, "limit_price", buy(limit_price="9.99")),
    ("price_out_of_band", Refused, "limit_price", sell(limit_price="94.04")),
    ("price_out_of_band", Refused, "limit_price", sell(limit_price="990.01")),
    ("price_out_of_band", Refused, "limit_price", replace(buy(limit_price="105.01"), **CLOSED)),
    ("price_out_of_band", Refused, "limit_price", stop_limit("200", "210.01")),
    ("price_out_of_band", Refused, "limit_price", stop_limit("200", "19.99")),
    ("price_out_of_band", Refused, "limit_price", stop_limit("50", "47.49", side=SELL)),
    ("price_out_of_band", Refused, "stop_price", stop("1000.01")),
    ("price_out_of_band", Refused, "stop_price", stop("9.89", side=SELL)),
    ("trail_too_large", Invalid, "trail_amount", trailing(trail_amount="99")),
    ("trail_too_large", Invalid, "trail_amount", trailing(trail_amount="100", side=BUY)),
    ("trail_too_large", Invalid, "trail_percent", trailing(trail_percent="100")),
    ("value_too_small", Refused, "quantity", buy(quantity="0.00999999")),
    ("value_too_small", Refused, "notional", buy(notional="0.99")),
    ("value_too_small", Refused, "quantity", sell(quantity="0.01")),
    ("value_too_large", Refused, "quantity", buy(quantity="10000.00000001")),
    ("value_too_large", Refused, "quantity", buy(quantity=Decimal(10_000), limit_price="100.01")),
    ("value_too_large", Refused, "quantity", stop("101", quantity=Decimal(9901))),
    ("value_too_large", Refused, "quantity", sell(quantity=Decimal(10_102), limit_price="95")),
    ("value_too_large", Refused, "notional", buy(notional="1000000.01")),
    ("too_many_open_orders", Refused, "", replace(buy(limit_price="99"), open_orders=10_000)),
    ("too_many_open_orders", Refused, "", replace(buy(limit_price="99", replaces=OLD), open_orders=10_001)),
    ("self_crossing", Refused, "symbol", replace(buy(limit_price="101"), opposing_price=Decimal(101))),
    ("self_crossing", Refused, "symbol", replace(buy(), opposing_price=Decimal(105))),
    ("self_crossing", Refused, "symbol", replace(buy(notional="50"), opposing_price=Decimal(105))),
    ("self_crossing", Refused, "symbol", replace(buy(limit_price="90"), opposing_price=Decimal(0))),
    ("self_crossing", Refused, "symbol", replace(sell(limit_price="98"), opposing_price=Decimal(98))),
    ("self_crossing", Refused, "symbol", replace(sell(), opposing_price=Decimal("94.05"))),
    ("self_crossing", Refused, "symbol", replace(sell(closing=True), opposing_price=Decimal("94.05"))),
]


@pytest.mark.parametrize(("code", "kind", "field", "facts"), REFUSALS)
def test_refused(code: str, kind: type[Exception], field: str, facts: Facts) -> None:
    error = refusal(facts)
    assert type(error) is kind, error
    assert error is not None
    assert (error.code, error.field) == (code, field), error
    assert error.message.endswith(".")


def test_every_rule_has_a_case() -> None:
    told = {(code, field.replace("notional", "quantity")) for code, _, field, _ in REFUSALS}
    assert {(rule.code, rule.field.replace("notional", "quantity")) for rule in RULES} == told


def test_the_page_names_every_code() -> None:
    (part,) = [part for part in sections(PAGE) if part.heading == "What is refused"]
    assert {rule.code for rule in RULES} <= set(quoted(part.text))


ALLOWED = {
    "a market order": buy(),
    "a fraction of a share": buy(quantity="0.01"),
    "a limit at the end of the band": buy(limit_price="105"),
    "a limit at the end of sanity": buy(limit_price="10"),
    "a sale at the end of the band": sell(limit_price="94.05"),
    "a sale at the end of sanity": sell(limit_price="990"),
    "a sale at the market": sell(),
    "a whole number of lots": replace(buy(quantity="2"), instrument=WHOLE_SHARES),
    "the least quantity": replace(buy(quantity="5"), instrument=FIVE_TO_FIFTY),
    "the largest quantity": replace(buy(quantity="50"), instrument=FIVE_TO_FIFTY),
    "cash for the least quantity": replace(buy(notional="500"), instrument=FIVE_TO_FIFTY),
    "cash for the largest quantity": replace(buy(notional="5000"), instrument=FIVE_TO_FIFTY),
    "a market order for the next open": replace(buy(), **CLOSED),
    "a limit for the next open": replace(buy(limit_price="105"), **CLOSED),
    "a sale for the next open": replace(sell(), **CLOSED),
    "an old price just after the open": replace(buy(), fresh=False, opening=True),
    "extended hours": extended(),
    "extended hours until cancelled": extended(time_in_force=GTC),
    "extended hours outside of the session": replace(extended(), **CLOSED),
    "a plain order where extended hours are offered": replace(buy(), extended_hours=True),
    "at once": buy(time_in_force=IOC),
    "at once in the first seconds": replace(buy(time_in_force=FOK), opening=True),
    "a stop one tick above": stop("100.01"),
    "a stop one tick below": stop("98.99", side=SELL),
    "the farthest stop above": stop("1000"),
    "the farthest stop below": stop("9.9", side=SELL),
    "a stop while closed": replace(stop("101"), **CLOSED),
    "a limit at its stop's band": stop_limit("200", "210"),
    "a limit on the far side of its stop": stop_limit("200", "20"),
    "a sale's limit at its stop's band": stop_limit("50", "47.5", side=SELL),
    "the largest trail of a sale": trailing(trail_amount="98.99999999"),
    "the largest trail of a purchase": trailing(trail_amount="99.99", side=BUY),
    "a trail in per cent": trailing(trail_percent="99.99"),
    "a trail on a purchase": trailing(trail_percent="2.5", side=BUY),
    "the least value": buy(notional="1"),
    "the largest value": buy(quantity=Decimal(10_000)),
    "the largest amount of cash": buy(notional="1000000"),
    "the rest of a position": sell(quantity="0.00000001", closing=True),
    "all of a position": sell(quantity=None, closing=True),
    "all of a position below the least": replace(sell(quantity="4", closing=True), instrument=FIVE_TO_FIFTY),
    "the rest of an order": buy(quantity="0.00000001", replaces=OLD),
    "the last open order": replace(buy(limit_price="99"), open_orders=9_999),
    "in the place of the last open order": replace(buy(limit_price="99", replaces=OLD), open_orders=10_000),
    "at once beside too many open orders": replace(buy(time_in_force=IOC), open_orders=10_000),
    "a close beside too many open orders": replace(sell(closing=True), open_orders=10_000),
    "a limit one tick below an own sale": replace(buy(limit_price="101"), opposing_price=Decimal("101.01")),
    "a purchase below an own sale's reach": replace(buy(), opposing_price=Decimal("105.01")),
    "a limit one tick above an own purchase": replace(sell(limit_price="98.01"), opposing_price=Decimal(98)),
    "a sale above an own purchase far below": replace(sell(), opposing_price=Decimal("94.04")),
    "a stop beyond an own order": replace(stop("101"), opposing_price=Decimal("100.5")),
}


@pytest.mark.parametrize("facts", ALLOWED.values(), ids=ALLOWED)
def test_allowed(facts: Facts) -> None:
    assert refusal(facts) is None


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (buy(limit_price="105.01"), ["105.01", "between 10 and 105"]),
        (replace(buy(limit_price="80"), quote=build.quote(ask="33.33")), ["between 3.34 and 34.99"]),
        (buy(notional="2000000"), ["at most 1000000", "2000000"]),
        (buy(quantity=None), ["A market order needs a quantity or an amount of cash."]),
        (buy(quantity=None, limit_price="99"), ["A limit order needs a quantity."]),
        (replace(buy(quantity=None), instrument=WHOLE_SHARES), ["A market order needs a quantity."]),
        (stop("100"), ["above the market (100)", "and 100 does not"]),
        (replace(buy(), retry_after_s=1.2), ["at most 10000 orders", "in 2 s"]),
        (replace(buy(limit_price="99"), open_orders=12_000), ["at most 10000", "12000"]),
        (
            replace(
                buy(time_in_force=FOK), session_open=False, opens_at=datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
            ),
            ["until 2026-03-02 14:30 UTC", "FOK"],
        ),
    ],
)
def test_a_sentence_says_the_numbers(facts: Facts, words: list[str]) -> None:
    error = refusal(facts)
    assert error is not None
    assert [word for word in words if word not in error.message] == []


TINY = Decimal("0.00000001")
COMES_TO_NOTHING = (
    "A trail of 0.00000001 per cent comes to 0 at the price of AAPL, 1: it must be above 0 and below 1."
)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        # An own order at the market has no limit: what it costs at most protects it.
        (
            replace(sell(), opposing_price=Decimal("98.5")),
            "The account has an open purchase of AAPL for at most 98.5: the order could sell to it.",
        ),
        (
            replace(buy(), opposing_price=Decimal(101)),
            "The account has an open sale of AAPL for at least 101: the order could buy from it.",
        ),
        (
            replace(buy(), opposing_price=Decimal(0)),
            "The account has an open sale of AAPL at the market: the order could buy from it.",
        ),
        (
            buy(limit_price="105.01"),
            "A limit of 105.01 is too far from the market of AAPL, 100: it must be between 10 and 105.",
        ),
        (
            stop_limit("200", "210.01"),
            "A limit of 210.01 is too far from its stop, 200: it must be between 20 and 210.",
        ),
        # A stop on the other side of the market has a sentence of its own.
        (
            stop("1000.01"),
            "A stop of 1000.01 is too far from the market of AAPL, 100: it must be at most 1000.",
        ),
        (
            stop("9.89", side=SELL),
            "A stop of 9.89 is too far from the market of AAPL, 99: it must be at least 9.9.",
        ),
        (trailing(trail_percent="100"), "A trail is below 100 per cent, and 100 is not."),
        (
            replace(trailing(trail_percent=TINY), quote=build.quote(bid="1")),
            COMES_TO_NOTHING,
        ),
        (
            replace(buy(notional=TINY), instrument=build.instrument(min_quantity=Decimal(0))),
            "An order of AAPL is for at least 0.00000001, and this is for 0.",
        ),
        # What is rounded for reading does not look like what is allowed.
        (
            limited(buy(limit_price="99.99", quantity=TINY), least_value=Decimal("0.000001")),
            "An order of AAPL is worth at least 0.000001, and this is worth 0.00000099.",
        ),
        (
            limited(
                buy(limit_price="99.99", quantity=TINY), least_value=TINY, most_value=Decimal("0.00000099")
            ),
            "An order of AAPL is worth at most 0.00000099, and this is worth 0.000001.",
        ),
        (
            replace(extended(), extended_hours_here=False),
            "AAPL has no hours outside of its sessions.",
        ),
    ],
)
def test_a_sentence_is_true_of_what_it_speaks_of(facts: Facts, sentence: str) -> None:
    error = refusal(facts)
    assert error is not None
    assert error.message == sentence


@pytest.mark.parametrize(
    ("code", "draft", "sentence"),
    [
        ("insufficient_funds", build.draft(), "The order needs 45 in cash, and 40 is available."),
        (
            "insufficient_funds",
            build.draft(replaces=OLD),
            "The order needs 45 more in cash than the one that it replaces, and 40 is available.",
        ),
        ("insufficient_shares", build.draft(side=SELL), "The order sells 45 AAPL, and 40 can be sold."),
        (
            "insufficient_shares",
            build.draft(side=SELL, replaces=OLD),
            "The order sells 45 AAPL more than the one that it replaces, and 40 more can be sold.",
        ),
    ],
)
def test_of_a_replacement_what_is_missing_is_beside_what_the_old_order_has(
    code: str, draft: Draft, sentence: str
) -> None:
    error = hold_refusal(code, draft=draft, required=Decimal(45), available=Decimal(40))
    assert error.message == sentence


def test_who_sends_too_much_is_told_when_to_come_back() -> None:
    error = refusal(replace(buy(), retry_after_s=12.5))
    assert isinstance(error, Exhausted)
    assert error.retry_after_s == 12.5


def test_an_account_and_an_asset_class_have_limits_of_their_own() -> None:
    order = buy(quantity="10", limit_price="99")
    assert refusal(limited(order, most_value=Decimal(990))) is None
    refused = refusal(limited(order, most_value=Decimal("989.99")))
    assert refused is not None
    assert refused.code == "value_too_large"
