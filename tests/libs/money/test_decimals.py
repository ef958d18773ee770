"""Numbers survive every way they travel, and nothing that is not one gets in."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub_errors import Invalid
from hub_money import LIMIT, PLACES, average, money, multiple_of, parse_decimal, to_text

SMALLEST = Decimal("0.00000001")
LARGEST = LIMIT - SMALLEST

storable = st.decimals(min_value=-LARGEST, max_value=LARGEST, places=PLACES)
positive = st.decimals(min_value=SMALLEST, max_value=LARGEST, places=PLACES)


@given(storable)
def test_what_is_written_reads_back_the_same(value: Decimal) -> None:
    assert parse_decimal(to_text(value), field="amount", positive=False) == value


@given(storable)
def test_text_is_plain_and_as_short_as_can_be(value: Decimal) -> None:
    text = to_text(value)
    assert set(text) <= set("-0123456789.")
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")
    assert text != "-0"


@given(positive)
def test_every_positive_storable_number_is_accepted(value: Decimal) -> None:
    assert parse_decimal(format(value, "f"), field="quantity") == value


@given(storable.filter(lambda value: value <= 0))
def test_zero_and_below_are_refused_where_it_must_be_positive(value: Decimal) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_decimal(to_text(value), field="quantity")
    assert (refusal.value.code, refusal.value.field) == ("not_positive", "quantity")


@given(st.text() | st.text(alphabet="0123456789.-+eE", max_size=24))
@example("0000000000001")
@example("1.000000000")
@example("1.000000001")
def test_arbitrary_text_is_a_number_or_refused_with_a_code(text: str) -> None:
    """Zeros in front and behind say nothing."""
    plain = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text)
    if not plain or abs(Fraction(text)) >= 10**12 or Fraction(text) * 10**8 % 1:
        with pytest.raises(Invalid, match="price"):
            parse_decimal(text, field="price", positive=False)
    else:
        assert parse_decimal(text, field="price", positive=False) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+1",
        "1e3",
        "1E3",
        "NaN",
        "Infinity",
        "-Infinity",
        "0x10",
        "1_000",
        "1,5",
        "1.",
        ".5",
        "٣",
        "1\n",
    ],
)
def test_only_plain_notation_is_a_number(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_decimal(text, field="price")
    assert refusal.value.code == "invalid_decimal"


@pytest.mark.parametrize(
    ("text", "places", "code"),
    [
        ("0.000000001", 8, "too_precise"),
        ("1.001", 2, "too_precise"),
        ("1000000000000", 8, "too_large"),
        ("999999999999999999999999999999", 8, "too_large"),
        ("9" * 1000, 8, "too_large"),
        ("-" + "9" * 2_000_000, 8, "too_large"),
        ("0." + "9" * 1000, 8, "too_precise"),
        ("0." + "0" * 2_000_000 + "1", 8, "too_precise"),
    ],
)
def test_what_cannot_be_stored_is_refused(text: str, places: int, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_decimal(text, field="price", positive=False, places=places)
    assert refusal.value.code == code


def test_zeros_at_the_end_are_no_precision() -> None:
    assert parse_decimal("1.5000000000", field="price", places=2) == Decimal("1.5")


def test_minus_zero_is_zero() -> None:
    assert to_text(parse_decimal("-0", field="amount", positive=False)) == "0"
    assert to_text(Decimal("-0.00")) == "0"


@given(storable, storable)
def test_a_product_is_rounded_once_to_the_nearest_half_to_even(left: Decimal, right: Decimal) -> None:
    exact = left * right if abs(left) < 10**6 and abs(right) < 10**6 else left
    rounded = money(exact)
    assert rounded.as_tuple().exponent == -PLACES
    assert abs(rounded - exact) <= SMALLEST / 2
    assert money(rounded) == rounded


def test_a_tie_goes_to_the_even_digit() -> None:
    assert money(Decimal("0.000000005")) == 0
    assert money(Decimal("0.000000015")) == Decimal("0.00000002")


@given(
    st.integers(min_value=0, max_value=10**12), st.sampled_from(["0.01", "0.0001", "1", "0.00000001", "0.05"])
)
def test_multiples_of_a_step_fit_it_and_half_a_step_more_does_not(count: int, step: str) -> None:
    assert multiple_of(count * Decimal(step), Decimal(step))
    assert not multiple_of((count + Decimal("0.5")) * Decimal(step), Decimal(step))


@given(
    quantity=st.decimals(min_value=SMALLEST, max_value=10**6, places=PLACES),
    price=st.decimals(min_value=SMALLEST, max_value=10**5, places=PLACES),
)
def test_the_average_of_one_execution_is_its_price_as_far_as_its_value_tells(
    quantity: Decimal, price: Decimal
) -> None:
    shown = average(money(quantity * price), quantity)
    places = -int(shown.as_tuple().exponent)
    assert places == PLACES if quantity >= 1 else 0 <= places < PLACES
    assert abs(shown - price) <= Decimal(1).scaleb(-places)
    if round(price, max(places, 0)) == price:
        assert shown == price


@pytest.mark.parametrize(
    ("value", "quantity", "shown"),
    [
        ("1.01119723", "0.0023148", "436.84"),  # value over quantity is 436.83999914
        ("4327.1", "10", "432.71"),
        ("100", "3", "33.33333333"),
        ("200", "3", "66.66666667"),
        ("0.5", "0.99999999", "0.5"),
        ("0.00000437", "0.00000001", "437"),
        ("0.00000005", "0.00000010", "0"),
        ("0.00000015", "0.00000010", "2"),
    ],
)
def test_an_average_has_the_places_that_are_certain(value: str, quantity: str, shown: str) -> None:
    assert to_text(average(Decimal(value), Decimal(quantity))) == shown
