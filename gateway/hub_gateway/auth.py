"""/auth and /me: registering, logging in and out. Passwords and tokens pass through and are never logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from hub.auth.v1 import auth_pb2
from hub_gateway import render
from hub_gateway.codec import Body, Schema
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.limits import Rule
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.peers import Peers
from hub_gateway.types.auth import Login, Registered, Tokens, User
from hub_gateway.types.common import PRINTABLE, described
from hub_rpc import calling_as
from hub_texts import printable

# Hashing a password is slow on purpose, and logins queue for it.
PASSWORD_TIME_S: Final = 5.0


_WORD: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+"
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_NAME: Final = PRINTABLE.replace("^", r"^(?=.*[^ ])", 1)
_EMAIL: Final = rf"^{_WORD}(\.{_WORD})*@({_LABEL}\.)+{_LABEL}$"


class NewUser(Body, frozen=True):
    """Somebody who wants an account."""

    email: Annotated[
        str,
        described(
            "At most 64 characters before the @. Upper and lower case are the same.",
            "ada@example.com",
            format="email",
            pattern=_EMAIL,
            minLength=3,
            maxLength=254,
        ),
    ]
    password: Annotated[
        str,
        described(
            "10 to 128 characters, 5 of them different; not the address, and not a well-known one.",
            "correct horse",
            pattern=PRINTABLE,
            minLength=10,
            maxLength=128,
        ),
    ]
    name: Annotated[
        str, described("For people; not only blanks.", "Ada", pattern=_NAME, minLength=1, maxLength=100)
    ]


class Credentials(Body, frozen=True):
    """Somebody who has an account."""

    email: Annotated[
        str,
        described("As it was registered.", "ada@example.com", pattern=PRINTABLE, minLength=1, maxLength=254),
    ]
    password: Annotated[
        str, described("The password.", "correct horse", pattern=PRINTABLE, minLength=1, maxLength=1024)
    ]


class RefreshToken(Body, frozen=True):
    """To go on with a session."""

    refresh_token: Annotated[
        str, described("As it was given; good once.", pattern=PRINTABLE, minLength=1, maxLength=1024)
    ]


_NEW_USER: Final[Schema[NewUser]] = Schema(NewUser)
CREDENTIALS: Final[Schema[Credentials]] = Schema(Credentials)
_REFRESH_TOKEN: Final[Schema[RefreshToken]] = Schema(RefreshToken)


class Auth:
    def __init__(self, *, peers: Peers, gate: Gate, visits: Rule) -> None:
        self._auth = peers.auth
        self._gate = gate
        self._visits = visits

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/auth/register", POST=self._register()),
            Resource("/api/v1/auth/login", POST=self._login()),
            Resource("/api/v1/auth/refresh", POST=self._refresh()),
            Resource("/api/v1/auth/logout", POST=self._logout()),
            Resource("/api/v1/me", GET=self._me()),
        ]

    def _register(self) -> Operation:
        return Operation(
            handler=self.register,
            summary="Open an account",
            tag="auth",
            access=Access.VISITOR,
            body=NewUser,
            answers={201: Registered},
            problems={
                400: (
                    "invalid_length",
                    "invalid_characters",
                    "invalid_email",
                    "invalid_name",
                    "weak_password",
                ),
                409: ("email_taken",),
                429: ("auth_busy",),
            },
        )

    def _login(self) -> Operation:
        return Operation(
            handler=self.login,
            summary="Log in",
            tag="auth",
            description="The access token is good for ten minutes; the refresh token gets the next one.",
            access=Access.VISITOR,
            body=Credentials,
            answers={200: Login},
            problems={
                400: ("invalid_length", "invalid_characters"),
                401: ("invalid_credentials",),
                429: ("auth_busy",),
            },
        )

    def _refresh(self) -> Operation:
        return Operation(
            handler=self.refresh,
            summary="Get new tokens",
            tag="auth",
            description="Whoever uses a refresh token twice ends its session: one of the two was a thief.",
            access=Access.VISITOR,
            body=RefreshToken,
            answers={200: Tokens},
            problems={400: ("invalid_length", "invalid_characters"), 401: ("invalid_refresh_token",)},
        )

    def _logout(self) -> Operation:
        return Operation(
            handler=self.logout,
            summary="Log out",
            tag="auth",
            description="The session's tokens are refused everywhere within a second.",
            answers={204: None},
        )

    def _me(self) -> Operation:
        return Operation(
            handler=self.me,
            summary="Who am I?",
            tag="auth",
            answers={200: User},
            problems={404: ("user_not_found",)},
        )

    async def register(self, request: Request) -> Response:
        body = _NEW_USER.read(await request.json())
        message = auth_pb2.RegisterRequest(
            email=printable(body.email, field="email", shortest=3, longest=254),
            password=_password(body.password),
            name=printable(body.name, field="name", shortest=1, longest=100),
        )
        await self._gate.visitor(request, self._visits)
        registered = await self._auth.Register(message, timeout=PASSWORD_TIME_S)
        return answer(Registered(user=render.user(registered.user)), status=201)

    async def login(self, request: Request) -> Response:
        body = CREDENTIALS.read(await request.json())
        message = auth_pb2.LoginRequest(
            email=printable(body.email, field="email", shortest=1, longest=254),
            password=_password(body.password),
        )
        await self._gate.visitor(request, self._visits)
        opened = await self._auth.Login(message, timeout=PASSWORD_TIME_S)
        return answer(render.login(opened))

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
