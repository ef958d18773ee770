"""What an error carries."""

import pytest

import hub_errors
from hub_errors import Exhausted, HubError, Invalid

KINDS = [getattr(hub_errors, name) for name in hub_errors.__all__ if name != "HubError"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_hub_error_with_code_message_and_field(kind: type[HubError]) -> None:
    error = kind("Quantity must be positive.", code="not_positive", field="quantity")
    assert isinstance(error, HubError)
    assert (error.code, error.message, error.field) == (
        "not_positive",
        "Quantity must be positive.",
        "quantity",
    )
    assert str(error) == "Quantity must be positive."


def test_the_representation_for_logs_names_kind_and_code() -> None:
    assert repr(Invalid("No.", code="bad")) == "Invalid('No.', code='bad', field='')"


def test_exhausted_says_when_to_try_again() -> None:
    assert Exhausted("Slower.", code="too_many", retry_after_s=2.5).retry_after_s == 2.5
