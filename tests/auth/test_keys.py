"""Signing keys: named by what they are, sealed, made once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import replace

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub_auth import keys, usecases
from hub_auth.store import Store
from hub_postgres import Pool
from hub_runtime import utc_now
from tests.auth.conftest import SECRET


def test_a_key_is_named_by_the_thumbprint_of_its_public_part() -> None:
    key = keys.new_key()
    loaded = load_pem_public_key(key.verification.public_key_pem.encode())
    assert isinstance(loaded, ec.EllipticCurvePublicKey)
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(loaded))
    required = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = hashlib.sha256(required.encode()).digest()
    assert key.kid == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_a_sealed_key_opens_with_its_secret() -> None:
    key = keys.new_key()
    opened = keys.unseal(keys.seal(key, SECRET), SECRET)
    assert opened.private_key.private_numbers() == key.private_key.private_numbers()


def test_a_sealed_key_opens_with_nothing_else() -> None:
    stored = keys.seal(keys.new_key(), SECRET)
    other = keys.new_key().verification
    changed = bytes([stored.sealed[0] ^ 1]) + stored.sealed[1:]
    for wrong, secret in (
        (stored, bytes(32)),
        (replace(stored, sealed=changed), SECRET),
        (replace(stored, verification=other), SECRET),
    ):
        with pytest.raises(keys.WrongSecretError):
            keys.unseal(wrong, secret)


async def test_replicas_that_start_together_make_one_key(store: Store, pool: Pool) -> None:
    made = await asyncio.gather(
        *(usecases.signing_key(store=store, secret=SECRET, clock=utc_now) for _ in range(5))
    )
    assert len({key.kid for key in made}) == 1
    assert await pool.fetchval("SELECT count(*) FROM signing_keys") == 1


async def test_another_secret_does_not_open_the_stored_key(store: Store) -> None:
    await usecases.signing_key(store=store, secret=SECRET, clock=utc_now)
    with pytest.raises(keys.WrongSecretError):
        await usecases.signing_key(store=store, secret=bytes(32), clock=utc_now)


async def test_the_private_key_is_nowhere_in_the_database(store: Store, pool: Pool) -> None:
    key = await usecases.signing_key(store=store, secret=SECRET, clock=utc_now)
    number = key.private_key.private_numbers().private_value.to_bytes(32)
    row = await pool.fetchrow("SELECT kid, public_key_pem, sealed_private_key FROM signing_keys")
    assert isinstance(row, asyncpg.Record)
    assert number not in row["sealed_private_key"]
    assert "PRIVATE" not in row["public_key_pem"]
