"""The user behind a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub_errors import Denied
from hub_rpc import bearer_token


@dataclass(frozen=True, slots=True)
class Principal:
    """Who the verified token says."""

    user_id: str
    account_id: str
    session_id: str
    roles: frozenset[str]
    expires_at: datetime


class Verifier(Protocol):
    """Answers who a token stands for, or raises Unauthenticated."""

    def verify(self, token: str) -> Principal: ...


def current_principal(trust: Verifier) -> Principal:
    """The user for whom the call being served was made."""
    return trust.verify(bearer_token())


def require_role(principal: Principal, role: str) -> None:
    """Raises Denied for who has not got it."""
    if role not in principal.roles:
        raise Denied(f"This needs the role {role}.", code="role_required")
