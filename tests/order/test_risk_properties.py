"""What holds for the rules whatever the facts are, and what an order is priced at."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_order.domain import OrderType, Quote, Side, TimeInForce
from hub_order.risk import (
    RULES,
    Draft,
    Facts,
    Limits,
    protection_of,
    protection_price,
    quantity_of,
    refusal,
    set_aside,
    unit_price,
)
from hub_order.risk.prices import first_stop
from hub_runtime import uuid7
from tests.order import build

# How fast values are drawn says more about the machine than about the rules.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LEAST = Decimal("0.00000001")
MOST = Decimal("999999999999.99999999")
TINY_TO_HUGE = st.decimals(LEAST, MOST, places=8)
ORDINARY = st.decimals("0.01", "2000", places=2)
NUMBERS = TINY_TO_HUGE | ORDINARY
SHARES = st.decimals("0", "0.99", places=2)


def optional(numbers: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Decimal | None]:
    return st.none() | numbers


@st.composite
def drafts(draw: st.DrawFn, numbers: st.SearchStrategy[Decimal]) -> Draft:
    return Draft(
        symbol="AAPL",
        side=draw(st.sampled_from(Side)),
        type=draw(st.sampled_from(OrderType)),
        time_in_force=draw(st.sampled_from(TimeInForce)),
        quantity=draw(optional(numbers)),
        notional=draw(optional(numbers)),
        limit_price=draw(optional(numbers)),
        stop_price=draw(optional(numbers)),
        trail_amount=draw(optional(numbers)),
        trail_percent=draw(optional(numbers)),
        extended_hours=draw(st.booleans()),
        replaces=draw(st.sampled_from([None, uuid7()])),
        closing=draw(st.booleans()),
    )


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Sensible and senseless ones: an instrument without steps, a quote without prices."""
    zero_or = NUMBERS | st.just(Decimal(0))
    instrument = build.instrument(
        tick_size=draw(st.sampled_from(["0.01", "0", "0.05", "1000"]).map(Decimal)),
        lot_size=draw(st.sampled_from(["1", "0", "100"]).map(Decimal)),
        fractionable=draw(st.booleans()),
        tradable=draw(st.booleans()),
        halted=draw(st.booleans()),
        min_quantity=draw(zero_or),
        max_quantity=draw(NUMBERS | st.just(Decimal("Infinity"))),
    )
    quote = build.quote(str(draw(zero_or)), str(draw(zero_or)))
    limits = Limits(
        price_band=draw(SHARES),
        price_sanity=draw(st.decimals("1", "1000000", places=0)),
        price_protection=draw(SHARES),
        most_quantity=draw(NUMBERS),
        most_value=draw(NUMBERS),
        least_value=draw(NUMBERS),
        most_open_orders=draw(st.integers(1, 10)),
    )
    return Facts(
        draft=draw(drafts(NUMBERS)),
        limits=limits,
        instrument=draw(st.sampled_from([instrument, None])),
        quote=draw(st.sampled_from([quote, None])),
        fresh=draw(st.booleans()),
        session_open=draw(st.booleans()),
        opening=draw(st.booleans()),
        extended_hours=draw(st.booleans()),
        extended_hours_here=draw(st.booleans()),
        retry_after_s=draw(st.none() | st.floats(0, 60)),
        open_orders=draw(st.integers(0, 20)),
        opposing_price=draw(optional(zero_or)),
    )


@patiently
@given(any_facts())
def test_no_rule_ever_fails_and_the_first_in_the_table_that_says_no_is_the_answer(facts: Facts) -> None:
    said = [(rule.code, rule.check(facts)) for rule in RULES]
    no = [(code, sentence) for code, sentence in said if sentence is not None]
    error = refusal(facts)
    assert (no[0] if no else None) == (None if error is None else (error.code, error.message))
    assert all(sentence and sentence.endswith(".") for _, sentence in no)


TERMS = ("quantity", "limit_price", "stop_price", "trail_amount", "trail_percent", "time_in_force")


@patiently
@given(any_facts(), st.lists(st.sampled_from(TERMS), min_size=1, unique=True))
def test_a_refused_replacement_is_told_of_a_term_that_was_sent_or_of_none(
    facts: Facts, sent: list[str]
) -> None:
    error = refusal(replace(facts, draft=replace(facts.draft, notional=None, given=tuple(sent))))
    assert error is None or error.field in {"", *sent}


@patiently
@given(any_facts())
def test_prices_never_fail(facts: Facts) -> None:
    set_aside(facts)
    protection_of(facts)
    quantity_of(facts)


@st.composite
def passing(draw: st.DrawFn) -> Facts:
    """A well-formed order of any type near a market of 99 to 100; most of them pass."""
    kind, side = draw(st.sampled_from(OrderType)), draw(st.sampled_from(Side))
    sign = 1 if side is Side.BUY else -1
    stop = 100 + sign * draw(st.decimals("1.01", "40", places=2))
    near = draw(st.decimals("-2", "2", places=2))
    fields: dict[str, Any] = {"type": kind, "side": side}
    if kind in {OrderType.STOP_LOSS, OrderType.STOP_LIMIT}:
        fields["stop_price"] = stop
    if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
        fields["limit_price"] = (stop if kind is OrderType.STOP_LIMIT else 99) + near
    if kind is OrderType.TRAILING_STOP:
        name = draw(st.sampled_from(["trail_amount", "trail_percent"]))
        fields[name] = draw(st.decimals("0.01", "90", places=2))
    amount = draw(st.decimals("1.5", "5000", places=8))
    fields["notional" if kind is OrderType.MARKET and draw(st.booleans()) else "quantity"] = amount
    return build.facts(build.draft(**fields), fresh=draw(st.booleans()), session_open=False)


def worst_cost(facts: Facts, ask: Decimal) -> Decimal:
    """What a purchase costs at this ask, if it is filled at all: never above its limit or protection."""
    draft = facts.draft
    worst = draft.limit_price if draft.limit_price is not None else protection_of(facts)
    assert worst is not None
    price = min(ask, worst)
    if draft.notional is not None:
        return draft.notional
    assert draft.quantity is not None
    return price * draft.quantity


@patiently
@given(passing(), st.decimals("0.01", "500", places=2))
def test_what_is_held_for_an_order_that_passed_is_never_less_than_it_can_cost(
    facts: Facts, ask: Decimal
) -> None:
    assert refusal(facts) is None
    aside = set_aside(facts)
    assert aside.quantity is not None
    if facts.draft.side is Side.SELL:
        assert (aside.unit_price, aside.quantity) == (None, quantity_of(facts))
    else:
        assert aside.unit_price is not None
        assert aside.unit_price * aside.quantity >= worst_cost(facts, ask)


@patiently
@given(passing())
def test_an_order_that_passed_has_a_quantity_above_zero(facts: Facts) -> None:
    quantity = quantity_of(facts)
    assert quantity is not None
    assert quantity > 0
    assert quantity == round(quantity, 8)


@patiently
@given(ask=st.decimals("0.01", "100000", places=2), tick=st.sampled_from(["0.01", "0.05", "1", "0.03"]))
def test_protection_is_on_a_tick_and_never_below_the_ask(ask: Decimal, tick: str) -> None:
    price = protection_price(ask, fraction=Decimal("0.05"), tick=Decimal(tick))
    assert price % Decimal(tick) == 0
    assert ask * Decimal("1.05") <= price < ask * Decimal("1.05") + Decimal(tick)


def facts_of(**fields: Any) -> Facts:
    return build.facts(build.draft(**fields))


STOP, TRAIL = OrderType.STOP_LOSS, OrderType.TRAILING_STOP


@pytest.mark.parametrize(
    ("facts", "protection", "unit"),
    [
        (facts_of(), "105", "105"),
        (facts_of(notional="500"), "105", "1"),
        (facts_of(limit_price="98"), None, "98"),
        (facts_of(type=STOP, stop_price="110"), "115.5", "115.5"),
        (facts_of(type=OrderType.STOP_LIMIT, stop_price="110", limit_price="112"), None, "112"),
        (facts_of(type=TRAIL, trail_amount="2"), "107.1", "107.1"),
        (facts_of(type=TRAIL, trail_percent="10"), "115.5", "115.5"),
        (facts_of(side=Side.SELL), None, None),
        (facts_of(side=Side.SELL, notional="500"), None, None),
        (facts_of(side=Side.SELL, type=STOP, stop_price="90"), None, None),
        (replace(facts_of(), fresh=False, session_open=False), "105", "105"),
    ],
)
def test_a_hold_is_computed_from_what_the_order_can_cost_at_most(
    facts: Facts, protection: str | None, unit: str | None
) -> None:
    assert protection_of(facts) == (None if protection is None else Decimal(protection))
    assert unit_price(facts) == (None if unit is None else Decimal(unit))


def test_a_purchase_for_cash_holds_the_cash() -> None:
    aside = set_aside(facts_of(notional="500"))
    assert (aside.quantity, aside.unit_price, aside.by_value) == (Decimal(500), Decimal(1), True)
    assert quantity_of(facts_of(notional="500")) == 5


def test_a_sale_for_cash_becomes_a_quantity_at_the_bid() -> None:
    facts = facts_of(side=Side.SELL, notional="500")
    aside = set_aside(facts)
    assert (aside.quantity, aside.unit_price, aside.by_value) == (Decimal("5.05050505"), None, False)


def test_a_trailing_stop_starts_at_the_price_of_its_side() -> None:
    assert first_stop(facts_of(type=TRAIL, trail_amount="2")) == 102
    assert first_stop(facts_of(type=TRAIL, trail_percent="10", side=Side.SELL)) == Decimal("89.1")


def test_without_a_price_nothing_is_protected() -> None:
    none: Quote | None = None
    for facts in (replace(facts_of(), quote=none), replace(facts_of(), instrument=None)):
        assert protection_of(facts) is None
        assert unit_price(facts) is None
