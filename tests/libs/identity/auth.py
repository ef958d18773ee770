"""An auth service with a key of its own: signs tokens, tells its trust, changes it while others watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc import aio

from hub.auth.v1 import auth_pb2
from hub_rpc import Server
from hub_runtime import Address
from tests.support.tls import Tls

SERVICE = "hub.auth.v1.AuthService"
TABLE = {SERVICE: {"*": frozenset({"gateway"})}}


class Key:
    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = ec.generate_private_key(ec.SECP256R1())

    def message(self) -> auth_pb2.VerificationKey:
        pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return auth_pb2.VerificationKey(kid=self.kid, algorithm="ES256", public_key_pem=pem.decode())

    def token(self, *, life_s: float = 600, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        now = datetime.now(UTC)
        payload: dict[str, Any] = {
            "sub": "user-1",
            "acc": "account-1",
            "sid": "session-1",
            "roles": ["user"],
            "iat": now,
            "exp": now + timedelta(seconds=life_s),
            "iss": "hub",
            "aud": "hub",
        } | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, self.private, "ES256", {"kid": self.kid} | (headers or {}))


def denial(subject: str, *, life_s: float = 600) -> auth_pb2.Denied:
    denied = auth_pb2.Denied(subject_id=subject)
    denied.until.FromDatetime(datetime.now(UTC) + timedelta(seconds=life_s))
    return denied


class Auth:
    """`say` sends to everyone who watches; each new watcher first gets the snapshot."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.denied: list[auth_pb2.Denied] = []
        self.watchers: set[asyncio.Queue[auth_pb2.WatchTrustResponse]] = set()

    async def watch_trust(
        self, request: auth_pb2.WatchTrustRequest, context: Any
    ) -> AsyncIterator[auth_pb2.WatchTrustResponse]:
        changes = asyncio.Queue[auth_pb2.WatchTrustResponse]()
        self.watchers.add(changes)
        try:
            yield self.snapshot()
            while True:
                yield await changes.get()
        finally:
            self.watchers.discard(changes)

    def snapshot(self) -> auth_pb2.WatchTrustResponse:
        keys = [key.message() for key in self.keys]
        return auth_pb2.WatchTrustResponse(snapshot=True, keys=keys, denied=self.denied)

    def say(self, **change: Any) -> None:
        for watcher in self.watchers:
            watcher.put_nowait(auth_pb2.WatchTrustResponse(**change))

    def register(self, server: aio.Server) -> None:
        watch = grpc.unary_stream_rpc_method_handler(
            self.watch_trust,
            request_deserializer=auth_pb2.WatchTrustRequest.FromString,
            response_serializer=auth_pb2.WatchTrustResponse.SerializeToString,
        )
        server.add_registered_method_handlers(SERVICE, {"WatchTrust": watch})

    def server(self, tls: Tls, port: int = 0) -> Server:
        address = Address("127.0.0.1", port)
        return Server(address, tls.files("auth"), TABLE, [self.register], drain_s=0, grace_s=0.5)
