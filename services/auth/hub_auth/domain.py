"""Who may have an account and how a session goes on. Pure: no clock, no input, no output."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from uuid import UUID

from hub_errors import Invalid, Refused, Unauthenticated

EMAIL_LIMIT: Final = 254
NAME_LIMIT: Final = 100
PASSWORD_LEAST: Final = 10
PASSWORD_LIMIT: Final = 128
_DISTINCT_LEAST: Final = 5
_EMAIL: Final = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_LOCAL_PART_LIMIT: Final = 64


class Role(Enum):
    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"


class EndReason(Enum):
    """Why a session ended before its time."""

    LOGOUT = "logout"
    REUSE = "reuse"
    ROLES = "roles"


class Action(Enum):
    """What the audit log records."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    LOGGED_OUT = "logged_out"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - a name, not a token
    ROLES_CHANGED = "roles_changed"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Of whom and of which session something is said; a part that nobody knows is None."""

    user_id: UUID | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class User:
    user_id: UUID
    account_id: UUID
    email: str
    name: str
    roles: tuple[Role, ...]
    created_at: datetime

    @property
    def subject(self) -> Subject:
        return Subject(user_id=self.user_id, account_id=self.account_id)


@dataclass(frozen=True, kw_only=True)
class Session:
    session_id: UUID
    user_id: UUID
    account_id: UUID
    created_at: datetime
    expires_at: datetime

    @property
    def subject(self) -> Subject:
        return Subject(user_id=self.user_id, account_id=self.account_id, session_id=self.session_id)


@dataclass(frozen=True, kw_only=True)
class Denial:
    """Until when the tokens of a session or a user are refused; the last of them has expired then."""

    subject_id: UUID
    until: datetime


@dataclass(frozen=True, kw_only=True)
class VerificationKey:
    kid: str
    algorithm: str
    public_key_pem: str


def email_address(text: str) -> str:
    """Lower case, without surrounding blanks."""
    email = text.strip().lower()
    local_part = email.partition("@")[0]
    if len(email) > EMAIL_LIMIT or len(local_part) > _LOCAL_PART_LIMIT or not _EMAIL.fullmatch(email):
        raise Invalid("This is not an e-mail address.", code="invalid_email", field="email")
    return email


def roles_of(names: Iterable[str]) -> tuple[Role, ...]:
    """Each once, `user` always among them."""
    wanted = {Role.USER.value, *names}
    unknown = wanted - {role.value for role in Role}
    if unknown:
        known = ", ".join(role.value for role in Role)
        raise Invalid(f"A role is one of {known}.", code="invalid_value", field="roles")
    return tuple(role for role in Role if role.value in wanted)


def person_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= NAME_LIMIT or any(unicodedata.category(letter) == "Cc" for letter in name):
        raise Invalid(f"A name has 1 to {NAME_LIMIT} characters.", code="invalid_name", field="name")
    return name


def normalized_password(text: str) -> str:
    """The same characters however a keyboard composes them."""
    return unicodedata.normalize("NFKC", text)


def good_password(text: str, *, email: str, common: Collection[str]) -> str:
    """Normalized; raises Invalid where the policy says no."""
    password = normalized_password(text)
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_LIMIT:
        raise _weak(f"A password has {PASSWORD_LEAST} to {PASSWORD_LIMIT} characters.")
    folded = password.casefold()
    if folded in {email, email.partition("@")[0]}:
        raise _weak("The password must not be the e-mail address.")
    if folded in common:
        raise _weak("This password is too well known.")
    if len(set(folded)) < _DISTINCT_LEAST:
        raise _weak(f"A password has at least {_DISTINCT_LEAST} different characters.")
    return password


def _weak(message: str) -> Invalid:
    return Invalid(message, code="weak_password", field="password")


def invalid_credentials() -> Unauthenticated:
    """The same for a wrong password and for an address nobody has."""
    return Unauthenticated("E-mail address or password is wrong.", code="invalid_credentials")


def invalid_refresh_token() -> Unauthenticated:
    """The same for a token that never was, was used, has expired or belongs to an ended session."""
    return Unauthenticated("The refresh token is not valid; log in again.", code="invalid_refresh_token")


def last_admin() -> Refused:
    return Refused("The last administrator cannot be removed.", code="last_admin", field="roles")


def masked(email: str) -> str:
    """For logs: enough to recognise one's own, not enough to write to."""
    local_part, _, host = email.partition("@")
    return f"{local_part[:1]}***@{host}"
