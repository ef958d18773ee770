"""Each rule refuses what it is there for, with its code and field, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_errors import Invalid, Refused
from hub_order.domain import OrderType, Side
from hub_order.risk import RULES, Facts, protection_price, refusal, unit_price
from tests.order import build

WHOLE_SHARES = build.instrument(fractionable=False)
FIVE_TO_FIFTY = build.instrument(min_quantity=Decimal(5), max_quantity=Decimal(50))
CLOSED: dict[str, Any] = {"fresh": False, "session_open": False}


def sell(**fields: Any) -> Facts:
    return build.facts(build.draft(side=Side.SELL, **fields))


def buy(**fields: Any) -> Facts:
    return build.facts(build.draft(**fields))


REFUSALS = [
    ("price_not_allowed", Invalid, "limit_price", buy(limit_price="99", type=OrderType.MARKET)),
    ("price_required", Invalid, "limit_price", buy(type=OrderType.LIMIT)),
    ("unknown_symbol", Refused, "symbol", build.facts(instrument=None, quote=None, session_open=False)),
    ("not_tradable", Refused, "symbol", build.facts(instrument=build.instrument(tradable=False))),
    ("halted", Refused, "symbol", build.facts(instrument=build.instrument(halted=True))),
    ("tick_size", Invalid, "limit_price", buy(limit_price="99.005")),
    ("lot_size", Invalid, "quantity", replace(buy(quantity=Decimal("1.5")), instrument=WHOLE_SHARES)),
    ("quantity_too_small", Invalid, "quantity", replace(buy(quantity=Decimal(4)), instrument=FIVE_TO_FIFTY)),
    ("quantity_too_large", Invalid, "quantity", replace(buy(quantity=Decimal(51)), instrument=FIVE_TO_FIFTY)),
    ("quantity_too_large", Invalid, "quantity", buy(quantity=Decimal(1_000_001))),
    ("market_data_stale", Refused, "symbol", build.facts(quote=None, fresh=False, session_open=False)),
    ("price_out_of_band", Refused, "limit_price", replace(buy(limit_price="105.01"), **CLOSED)),
    ("market_data_stale", Refused, "symbol", build.facts(fresh=False)),
    ("market_data_stale", Refused, "symbol", build.facts(quote=None, fresh=False)),
    ("market_data_stale", Refused, "symbol", build.facts(quote=build.quote(ask="0"))),
    ("price_out_of_band", Refused, "limit_price", buy(limit_price="105.01")),
    ("price_out_of_band", Refused, "limit_price", buy(limit_price="9.99")),
    ("price_out_of_band", Refused, "limit_price", sell(limit_price="94.04")),
    ("price_out_of_band", Refused, "limit_price", sell(limit_price="990.01")),
    ("value_too_large", Refused, "quantity", buy(quantity=Decimal(1_000_000), limit_price="100.01")),
    (
        "value_too_large",
        Refused,
        "quantity",
        replace(buy(quantity=Decimal(999_999)), quote=build.quote(ask="101")),
    ),
]


@pytest.mark.parametrize(("code", "kind", "field", "facts"), REFUSALS)
def test_refused(code: str, kind: type[Exception], field: str, facts: Facts) -> None:
    error = refusal(facts)
    assert type(error) is kind
    assert error is not None
    assert (error.code, error.field) == (code, field)
    assert error.message.endswith(".")


def test_every_rule_has_a_case() -> None:
    assert {rule.code for rule in RULES} == {code for code, *_ in REFUSALS}


@pytest.mark.parametrize(
    "facts",
    [
        buy(),
        buy(quantity=Decimal("0.00000001")),
        buy(limit_price="105"),
        buy(limit_price="10"),
        sell(limit_price="94.05"),
        sell(limit_price="990"),
        sell(),
        replace(buy(quantity=Decimal(2)), instrument=WHOLE_SHARES),
        replace(buy(quantity=Decimal(5)), instrument=FIVE_TO_FIFTY),
        replace(buy(quantity=Decimal(50)), instrument=FIVE_TO_FIFTY),
        replace(buy(), **CLOSED),
        replace(buy(limit_price="105"), **CLOSED),
        replace(sell(), **CLOSED),
    ],
)
def test_allowed(facts: Facts) -> None:
    assert refusal(facts) is None


@given(ask=st.decimals("0.01", "100000", places=2), tick=st.sampled_from(["0.01", "0.05", "1"]))
def test_protection_is_on_a_tick_and_never_below_the_ask(ask: Decimal, tick: str) -> None:
    price = protection_price(ask, fraction=Decimal("0.05"), tick=Decimal(tick))
    assert price % Decimal(tick) == 0
    assert ask * Decimal("1.05") <= price < ask * Decimal("1.05") + Decimal(tick)


def test_a_hold_is_computed_from_what_the_order_can_cost_at_most() -> None:
    assert unit_price(buy()) == Decimal(105)
    assert unit_price(buy(limit_price="98")) == Decimal(98)
    assert unit_price(sell()) is None


def test_while_the_market_is_closed_the_last_price_protects_a_purchase() -> None:
    assert unit_price(replace(buy(), **CLOSED)) == Decimal(105)
