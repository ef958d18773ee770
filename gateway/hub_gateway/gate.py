"""Who asks, and how often they may. Decides nothing about what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub_errors import Denied, Unauthenticated
from hub_gateway.exchange import Request
from hub_gateway.limits import Limits, Rule
from hub_identity import Principal, Trust, require_role

STAFF: Final = frozenset({"admin", "support"})


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, as the verified token says, and the token to pass on."""

    principal: Principal
    token: str


def bearer(header: str | None) -> str:
    """The token of an Authorization header."""
    if header is None:
        raise Unauthenticated("An access token is needed.", code="token_missing")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must be: Bearer <token>.", code="token_malformed")
    return token.strip()


class Gate:
    """The one way in for requests."""

    def __init__(self, *, trust: Trust, limits: Limits, reads: Rule) -> None:
        self._trust = trust
        self._limits = limits
        self._reads = reads

    async def user(self, request: Request, rule: Rule | None = None) -> Caller:
        """A known user within the rule (default: the one for reads)."""
        caller = self.known(request.header("authorization"))
        await self._limits.take(rule or self._reads, caller.principal.account_id)
        return caller

    async def admin(self, request: Request) -> Caller:
        """A user with the role admin."""
        caller = await self.user(request)
        require_role(caller.principal, "admin")
        return caller

    async def staff(self, request: Request) -> Caller:
        """A user with the role admin or support."""
        caller = await self.user(request)
        if not caller.principal.roles & STAFF:
            raise Denied("This needs the role admin or support.", code="role_required")
        return caller

    async def visitor(self, request: Request, rule: Rule) -> None:
        """Somebody who has no token yet, known by address only."""
        await self._limits.take(rule, request.client)

    def known(self, header: str | None) -> Caller:
        token = bearer(header)
        return Caller(self._trust.verify(token), token)
