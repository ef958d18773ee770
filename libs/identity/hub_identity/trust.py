"""What is trusted now: keys and deny set, followed live. Tokens are remembered, denials always read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from grpc import aio

from hub.auth.v1 import auth_pb2, auth_pb2_grpc
from hub_errors import Unavailable
from hub_identity.principal import Principal
from hub_identity.tokens import ALGORITHM, expired, load_key, read, revoked
from hub_rpc import reading
from hub_runtime import Backoff, Clock, get_logger, utc_now

REMEMBERED: Final = 50_000

log = get_logger("trust")


class Trust:
    """`watch` is its forever-job. `loaded` is set when a first snapshot has come."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._denied: dict[str, datetime] = {}
        self._verified: dict[str, Principal] = {}
        self.loaded = asyncio.Event()

    def state(self) -> str:
        """For readiness. Once loaded it stays usable while auth is away: tokens expire by themselves."""
        return "ok" if self.loaded.is_set() else "no keys from auth yet"

    def verify(self, token: str) -> Principal:
        """Raises Unauthenticated: token_missing, _malformed, _invalid, _expired or _revoked."""
        principal = self._verified.get(token)
        if principal is None:
            if token and not self.loaded.is_set():
                raise Unavailable("Access tokens cannot be verified yet.", code="trust_not_loaded")
            principal = read(token, self._keys, now=self._clock())
            self._remember(token, principal)
        elif principal.expires_at <= self._clock():
            del self._verified[token]
            raise expired()
        if principal.session_id in self._denied or principal.user_id in self._denied:
            raise revoked()
        return principal

    async def watch(self, channel: aio.Channel) -> None:
        """Follows auth for ever; every new stream starts with a snapshot, which replaces what was known."""
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                async with reading(stub.WatchTrust(auth_pb2.WatchTrustRequest())) as messages:
                    async for message in messages:
                        self.apply(message)
                        backoff.reset()
            except Exception as error:  # noqa: BLE001 - what is known stays in force meanwhile
                log.warning("trust_stream_lost", error=repr(error))
            await backoff.wait()

    def apply(self, message: auth_pb2.WatchTrustResponse) -> None:
        keys = {key.kid: load_key(key.public_key_pem) for key in message.keys if key.algorithm == ALGORITHM}
        denied = {each.subject_id: each.until.ToDatetime(tzinfo=UTC) for each in message.denied}
        if message.snapshot:
            if keys != self._keys:
                self._verified.clear()  # a key may have been withdrawn
            self._keys, self._denied = keys, denied
            self.loaded.set()
        else:
            self._keys |= keys
            self._denied |= denied
        now = self._clock()
        # What has expired is refused for that reason and needs no entry.
        self._denied = {subject: until for subject, until in self._denied.items() if until > now}

    def _remember(self, token: str, principal: Principal) -> None:
        if len(self._verified) >= REMEMBERED:
            now = self._clock()
            self._verified = {known: each for known, each in self._verified.items() if each.expires_at > now}
            if len(self._verified) > REMEMBERED // 2:
                self._verified.clear()  # verifying anew is cheaper than choosing each time
        self._verified[token] = principal
