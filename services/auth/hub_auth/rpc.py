"""AuthService: message -> values -> use case -> message. Decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from grpc import aio

from hub.auth.v1 import auth_pb2 as pb
from hub.auth.v1 import auth_pb2_grpc
from hub_auth import usecases
from hub_auth.mapping import tokens_to_proto, trust_message, user_to_proto
from hub_auth.passwords import Passwords
from hub_auth.publication import Publication
from hub_auth.store import Store
from hub_auth.tokens import Issuer
from hub_errors import Unavailable
from hub_identity import Trust, current_principal
from hub_rpc import CallTable
from hub_runtime import Clock

# Also how soon a stream is closed whose reader is gone without a word.
SIGN_OF_LIFE_S: Final = 10.0

CALL_TABLE: Final[CallTable] = {
    "hub.auth.v1.AuthService": {
        "*": frozenset({"gateway"}),
        "WatchTrust": frozenset({"market-data", "order", "position", "portfolio", "quote-stream", "gateway"}),
    }
}
Context = aio.ServicerContext[Any, Any]


@dataclass(frozen=True, kw_only=True)
class AuthRpc(auth_pb2_grpc.AuthServiceServicer):
    store: Store
    passwords: Passwords
    common: frozenset[str]
    issuer: Issuer
    trust: Trust
    publication: Publication
    clock: Clock
    session_lifetime: timedelta

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        user = await usecases.register(
            request.email,
            request.password,
            request.name,
            store=self.store,
            passwords=self.passwords,
            common=self.common,
            clock=self.clock,
        )
        return pb.RegisterResponse(user=user_to_proto(user))

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        tokens, user = await usecases.login(
            request.email,
            request.password,
            store=self.store,
            passwords=self.passwords,
            issuer=self.issuer,
            clock=self.clock,
            session_lifetime=self.session_lifetime,
        )
        return pb.LoginResponse(tokens=tokens_to_proto(tokens), user=user_to_proto(user))

    async def Refresh(self, request: pb.RefreshRequest, context: Context) -> pb.RefreshResponse:
        tokens = await usecases.refresh(
            request.refresh_token, store=self.store, issuer=self.issuer, clock=self.clock
        )
        return pb.RefreshResponse(tokens=tokens_to_proto(tokens))

    async def Logout(self, request: pb.LogoutRequest, context: Context) -> pb.LogoutResponse:
        principal = current_principal(self.trust)
        await usecases.log_out(principal, store=self.store, issuer=self.issuer, clock=self.clock)
        return pb.LogoutResponse()

    async def GetMe(self, request: pb.GetMeRequest, context: Context) -> pb.GetMeResponse:
        user = await usecases.get_me(current_principal(self.trust), store=self.store)
        return pb.GetMeResponse(user=user_to_proto(user))

    async def SetUserRoles(
        self, request: pb.SetUserRolesRequest, context: Context
    ) -> pb.SetUserRolesResponse:
        user = await usecases.set_roles(
            request.email,
            request.roles,
            current_principal(self.trust),
            store=self.store,
            issuer=self.issuer,
            clock=self.clock,
        )
        return pb.SetUserRolesResponse(user=user_to_proto(user))

    async def WatchTrust(
        self, request: pb.WatchTrustRequest, context: Context
    ) -> AsyncIterator[pb.WatchTrustResponse]:
        if not self.publication.loaded.is_set():
            raise Unavailable("The keys are not known yet.", code="trust_not_loaded")
        with self.publication.read() as reader:
            while True:
                yield trust_message(await reader.next(timeout_s=SIGN_OF_LIFE_S))
