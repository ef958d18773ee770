"""Issues tokens: signed access tokens, and opaque refresh tokens of which only the hash is ever stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import jwt

from hub_auth.domain import User
from hub_auth.keys import ALGORITHM, SigningKey

ISSUER: Final = "hub"
AUDIENCE: Final = "hub"
# Clocks of other machines may be behind ours by this much.
_CLOCK_SKEW: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Tokens:
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: timedelta


class Issuer:
    def __init__(self, key: SigningKey, *, lifetime: timedelta) -> None:
        self._key = key
        self._lifetime = lifetime

    def tokens(self, user: User, session_id: UUID, refresh_token: str, *, now: datetime) -> Tokens:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.user_id),
            "acc": str(user.account_id),
            "sid": str(session_id),
            "roles": [role.value for role in user.roles],
            "iat": int(now.timestamp()),
            "exp": int((now + self._lifetime).timestamp()),
        }
        headers = {"kid": self._key.kid}
        access_token = jwt.encode(claims, self._key.private_key, algorithm=ALGORITHM, headers=headers)
        return Tokens(access_token, refresh_token, self._lifetime)

    def denied_until(self, now: datetime) -> datetime:
        """When all access tokens issued until now have expired everywhere."""
        return now + self._lifetime + _CLOCK_SKEW


def new_refresh_token() -> str:
    return secrets.token_urlsafe(32)


def refresh_token_hash(token: str) -> bytes:
    """The token has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()
