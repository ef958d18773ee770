"""/auth and /me: registering, logging in and out. Passwords and tokens pass through and are never logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.auth.v1 import auth_pb2
from hub_gateway import render
from hub_gateway.codec import Body, Schema, printable
from hub_gateway.exchange import Request, Resource, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.limits import Rule
from hub_gateway.peers import Peers
from hub_rpc import calling_as

# Hashing a password is slow on purpose, and logins queue for it.
PASSWORD_TIME_S: Final = 5.0


class NewUser(Body, frozen=True):
    email: str
    password: str
    name: str


class Credentials(Body, frozen=True):
    email: str
    password: str


class RefreshToken(Body, frozen=True):
    refresh_token: str


_NEW_USER: Final[Schema[NewUser]] = Schema(NewUser)
_CREDENTIALS: Final[Schema[Credentials]] = Schema(Credentials)
_REFRESH_TOKEN: Final[Schema[RefreshToken]] = Schema(RefreshToken)


class Auth:
    def __init__(self, *, peers: Peers, gate: Gate, visits: Rule) -> None:
        self._auth = peers.auth
        self._gate = gate
        self._visits = visits

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/auth/register", POST=self.register),
            Resource("/api/v1/auth/login", POST=self.login),
            Resource("/api/v1/auth/refresh", POST=self.refresh),
            Resource("/api/v1/auth/logout", POST=self.logout),
            Resource("/api/v1/me", GET=self.me),
        ]

    async def register(self, request: Request) -> Response:
        body = _NEW_USER.read(await request.json())
        message = auth_pb2.RegisterRequest(
            email=printable(body.email, field="email", shortest=3, longest=254),
            password=_password(body.password),
            name=printable(body.name, field="name", shortest=1, longest=100),
        )
        await self._gate.visitor(request, self._visits)
        registered = await self._auth.Register(message, timeout=PASSWORD_TIME_S)
        return answer({"user": render.user(registered.user)}, status=201)

    async def login(self, request: Request) -> Response:
        body = _CREDENTIALS.read(await request.json())
        message = auth_pb2.LoginRequest(
            email=printable(body.email, field="email", shortest=1, longest=254),
            password=_password(body.password),
        )
        await self._gate.visitor(request, self._visits)
        opened = await self._auth.Login(message, timeout=PASSWORD_TIME_S)
        return answer({**render.tokens(opened.tokens), "user": render.user(opened.user)})

    async def refresh(self, request: Request) -> Response:
        body = _REFRESH_TOKEN.read(await request.json())
        token = printable(body.refresh_token, field="refresh_token", shortest=1, longest=1024)
        await self._gate.visitor(request, self._visits)
        refreshed = await self._auth.Refresh(auth_pb2.RefreshRequest(refresh_token=token))
        return answer(render.tokens(refreshed.tokens))

    async def logout(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            await self._auth.Logout(auth_pb2.LogoutRequest())
        return Response(204)

    async def me(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._auth.GetMe(auth_pb2.GetMeRequest())
        return answer(render.user(found.user))


def _password(text: str) -> str:
    return printable(text, field="password", shortest=1, longest=1024)
