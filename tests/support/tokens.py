"""Access tokens as auth would sign them, and a trust that knows the key."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.auth.v1 import auth_pb2
from hub_identity import Trust


@dataclass(frozen=True)
class TokenUser:
    token: str
    user_id: UUID
    account_id: UUID


class Signer:
    """One signing key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def public_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def trust(self) -> Trust:
        key = auth_pb2.VerificationKey(kid="test", algorithm="ES256", public_key_pem=self.public_pem())
        trust = Trust()
        trust.apply(auth_pb2.WatchTrustResponse(snapshot=True, keys=[key]))
        return trust

    def user(self, **claims: Any) -> TokenUser:
        user_id, account_id, now = uuid4(), uuid4(), datetime.now(UTC)
        standard = {
            "sub": str(user_id),
            "acc": str(account_id),
            "sid": str(uuid4()),
            "roles": ["user"],
            "iat": now,
            "exp": now + timedelta(minutes=10),
            "iss": "hub",
            "aud": "hub",
        }
        token = jwt.encode(standard | claims, self._key, "ES256", {"kid": "test"})
        return TokenUser(token, user_id, account_id)
