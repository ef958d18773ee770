"""Hashing in threads: right, equally slow for nobody, bounded."""

from __future__ import annotations

import asyncio

import pytest

from hub_auth import passwords as module
from hub_auth.passwords import Passwords
from hub_errors import Exhausted

PASSWORD = "a pony in the attic"


async def test_a_password_matches_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored
    assert await passwords.matches(stored, PASSWORD)
    assert not await passwords.matches(stored, PASSWORD + "s")


async def test_equal_passwords_have_different_hashes(passwords: Passwords) -> None:
    assert await passwords.hash(PASSWORD) != await passwords.hash(PASSWORD)


async def test_a_password_matches_however_its_letters_are_composed(passwords: Passwords) -> None:
    stored = await passwords.hash("caf\u00e9 by the river")
    assert await passwords.matches(stored, "cafe\u0301 by the river")


async def test_nobody_has_a_hash_of_the_same_cost_that_nothing_matches(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert not await passwords.matches(None, PASSWORD)
    assert passwords._nobody.split("$")[1:4] == stored.split("$")[1:4]


@pytest.mark.parametrize("broken", ["", "nonsense", "$argon2id$v=19$m=1,t=1,p=1$x$y"])
async def test_a_broken_hash_matches_nothing(passwords: Passwords, broken: str) -> None:
    assert not await passwords.matches(broken, PASSWORD)


async def test_a_password_beyond_the_limit_matches_nothing(passwords: Passwords) -> None:
    stored = await passwords.hash("ab" * 64)
    assert await passwords.matches(stored, "ab" * 64)
    assert not await passwords.matches(stored, "ab" * 10_000)


async def test_too_many_at_once_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 2)
    async with Passwords(threads=1) as few:
        outcomes = await asyncio.gather(*(few.hash(PASSWORD) for _ in range(10)), return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exhausted)]
        assert (len(refused), {error.code for error in refused}) == (7, {"auth_busy"})
        assert await few.matches(await few.hash(PASSWORD), PASSWORD)
