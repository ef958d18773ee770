"""Access tokens: JWT, ES256, the claims of one issuer. Only verifies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub_errors import Unauthenticated
from hub_identity.principal import Principal

ALGORITHM: Final = "ES256"
ISSUER: Final = "hub"
AUDIENCE: Final = "hub"
CLAIMS: Final = ("sub", "acc", "sid", "roles", "iat", "exp", "iss", "aud")
TOKEN_LIMIT: Final = 4096

Keys = Mapping[str, EllipticCurvePublicKey]


def load_key(pem: str) -> EllipticCurvePublicKey:
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("a verification key is not an elliptic curve key")
    return key


def read(token: str, keys: Keys, *, now: datetime) -> Principal:
    """Checks everything but the deny set."""
    if not token:
        raise Unauthenticated("An access token is needed.", code="token_missing")
    if len(token) > TOKEN_LIMIT:
        raise Unauthenticated("The access token is malformed.", code="token_malformed")
    try:
        key = keys.get(str(jwt.get_unverified_header(token).get("kid", "")))
        if key is None:
            raise Unauthenticated("The access token is not valid.", code="token_invalid")
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # Times are checked below, by the clock that was passed in.
            options={"require": list(CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.DecodeError as error:
        if isinstance(error, jwt.InvalidSignatureError):
            raise Unauthenticated("The access token is not valid.", code="token_invalid") from None
        raise Unauthenticated("The access token is malformed.", code="token_malformed") from None
    except jwt.InvalidTokenError:
        raise Unauthenticated("The access token is not valid.", code="token_invalid") from None
    principal = _principal(claims)
    if principal.expires_at <= now:
        raise expired()
    return principal


def expired() -> Unauthenticated:
    return Unauthenticated("The access token has expired.", code="token_expired")


def revoked() -> Unauthenticated:
    return Unauthenticated("The session has ended.", code="token_revoked")


def _principal(claims: Mapping[str, Any]) -> Principal:
    try:
        return Principal(
            user_id=str(claims["sub"]),
            account_id=str(claims["acc"]),
            session_id=str(claims["sid"]),
            roles=frozenset(str(role) for role in claims["roles"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
        )
    except (TypeError, ValueError, OverflowError):
        raise Unauthenticated("The access token is not valid.", code="token_invalid") from None
