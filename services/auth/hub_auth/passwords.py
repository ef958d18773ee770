"""Hashing of passwords: argon2id, in a few threads, never on the event loop."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from types import TracebackType
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub_auth.domain import PASSWORD_LIMIT, normalized_password
from hub_errors import Exhausted

# More than this waiting would time out before its turn.
QUEUE_LIMIT: Final = 64
# OWASP's second choice of equal strength: 46 MiB, one pass more than it asks for, one lane.
_MEMORY_KIB: Final = 46 * 1024
_PASSES: Final = 2

T = TypeVar("T")


def common_passwords() -> frozenset[str]:
    """Well-known passwords that are long enough to be chosen; folded."""
    text = resources.files("hub_auth").joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.casefold().split())


class Passwords:
    """`async with` it: the threads end with the block."""

    def __init__(self, *, threads: int) -> None:
        self._hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="password")
        self._limit = threads + QUEUE_LIMIT
        self._running = 0
        # What a password is compared with when there is no user, so that the answer takes as long.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Takes as long for None, the hash of nobody, which nothing matches."""
        candidate = normalized_password(password)[: PASSWORD_LIMIT + 1]
        return await self._in_thread(lambda: self._verify(password_hash, candidate))

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._running >= self._limit:
            raise Exhausted("Too many people log in at once.", code="auth_busy", retry_after_s=2.0)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1
