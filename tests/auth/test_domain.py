"""Who may have an account."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_auth.domain import email_address, good_password, masked, person_name
from hub_auth.passwords import common_passwords
from hub_errors import Invalid

COMMON = common_passwords()
EMAIL = "ana.maria@example.com"


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ana@example.com", "ana@example.com"),
        ("  Ana.Maria+hub@Example.COM ", "ana.maria+hub@example.com"),
        ("o'neil_1@sub.example-host.co.uk", "o'neil_1@sub.example-host.co.uk"),
    ],
)
def test_an_address_is_lower_case_and_without_blanks(text: str, email: str) -> None:
    assert email_address(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@example",
        "ana@@example.com",
        "ana@exa mple.com",
        "ana\x00@example.com",
        "ana@example.com\nbcc: all@example.com",
        ".ana@example.com",
        "ana..b@example.com",
        "ana@-example.com",
        "ana@example..com",
        "änä@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 63 + ("." + "c" * 63) * 3,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        email_address(text)
    assert (refused.value.code, refused.value.field) == ("invalid_email", "email")


@given(st.text())
def test_any_text_is_an_address_or_invalid(text: str) -> None:
    with suppress(Invalid):
        email = email_address(text)
        assert email == email_address(email) == email.strip().lower()


@pytest.mark.parametrize(
    "password", ["correct staple", "пароль для меня", "x1!" * 3 + "yz", "a" * 60 + "bcdef" * 13]
)
def test_a_password_that_keeps_the_policy_is_taken(password: str) -> None:
    assert good_password(password, email=EMAIL, common=COMMON) == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "too short",
        "a long one " * 12,
        EMAIL,
        EMAIL.upper(),
        "ana.maria",
        "Ana.Maria@Example.com",
        "Password123",
        "QWERTYUIOP",
        "1234567890",
        "aaaaaaaaaaaaaaaa",
        "abababababab",
    ],
)
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        good_password(password, email=EMAIL, common=COMMON)
    assert (refused.value.code, refused.value.field) == ("weak_password", "password")


def test_a_refusal_never_repeats_the_password() -> None:
    with pytest.raises(Invalid) as refused:
        good_password("Password123", email=EMAIL, common=COMMON)
    assert "Password123" not in str(refused.value)


def test_every_well_known_password_on_the_list_could_otherwise_be_chosen() -> None:
    assert all(len(password) >= 10 for password in COMMON)


@pytest.mark.parametrize("text", ["", "   ", "a" * 101, "Ana\x00", "Ana\nMaria"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        person_name(text)
    assert (refused.value.code, refused.value.field) == ("invalid_name", "name")


def test_a_name_may_be_anything_a_person_is_called() -> None:
    assert person_name(" Zoë Ó Briain-李 ") == "Zoë Ó Briain-李"


def test_an_address_in_a_log_is_masked() -> None:
    assert masked(EMAIL) == "a***@example.com"
