"""Signing keys: made, named by their thumbprint, sealed for storage. Knows no database."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub_auth.domain import VerificationKey

ALGORITHM: Final = "ES256"
_NONCE_BYTES: Final = 12
_COORDINATE_BYTES: Final = 32


class WrongSecretError(Exception):
    """The secret is not the one a key was sealed with, or the sealed key was changed."""


@dataclass(frozen=True)
class SealedKey:
    """As it is stored."""

    verification: VerificationKey
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class SigningKey:
    verification: VerificationKey
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def kid(self) -> str:
        return self.verification.kid


def new_key() -> SigningKey:
    private_key = ec.generate_private_key(ec.SECP256R1())
    public_key = private_key.public_key()
    pem = public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    kid = thumbprint(public_key)
    return SigningKey(VerificationKey(kid=kid, algorithm=ALGORITHM, public_key_pem=pem), private_key)


def thumbprint(public_key: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 of the key as a JWK."""
    numbers = public_key.public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def seal(key: SigningKey, secret: bytes) -> SealedKey:
    private = key.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    nonce = os.urandom(_NONCE_BYTES)
    return SealedKey(key.verification, nonce + AESGCM(secret).encrypt(nonce, private, key.kid.encode()))


def unseal(stored: SealedKey, secret: bytes) -> SigningKey:
    nonce, sealed = stored.sealed[:_NONCE_BYTES], stored.sealed[_NONCE_BYTES:]
    try:
        private = AESGCM(secret).decrypt(nonce, sealed, stored.verification.kid.encode())
    except InvalidTag:
        raise WrongSecretError(stored.verification.kid) from None
    key = serialization.load_der_private_key(private, password=None)
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or thumbprint(key.public_key()) != stored.verification.kid
    ):
        raise WrongSecretError(stored.verification.kid)
    return SigningKey(stored.verification, key)


def _coordinate(number: int) -> str:
    return _base64url(number.to_bytes(_COORDINATE_BYTES))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
