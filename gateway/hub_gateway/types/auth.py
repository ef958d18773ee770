"""Users and their sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Id, Time, described

Role = Literal["user", "support", "admin"]


class User(Answer, frozen=True):
    """A user as others may see it."""

    user_id: Id
    account_id: Id
    email: Annotated[str, described("Lower case.", "ada@example.com")]
    name: Annotated[str, described("As given.", "Ada")]
    roles: list[Role]
    created_at: Time | None


class Registered(Answer, frozen=True):
    """The new user; log in to get tokens."""

    user: User


class Tokens(Answer, frozen=True):
    """An open session's tokens."""

    access_token: Annotated[str, described("For the Authorization header: Bearer <access_token>.")]
    refresh_token: Annotated[str, described("Good once, for new tokens.")]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, described("Seconds until the access token expires.", 600)]


class Login(Answer, frozen=True):
    """Tokens, and whose they are."""

    access_token: Annotated[str, described("For the Authorization header: Bearer <access_token>.")]
    refresh_token: Annotated[str, described("Good once, for new tokens.")]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, described("Seconds until the access token expires.", 600)]
    user: User
