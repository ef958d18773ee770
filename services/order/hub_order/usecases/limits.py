"""Limits of single accounts: what administrators do to them, and the copy that orders are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from hub_errors import HubError, Invalid
from hub_identity import Principal, require_role
from hub_order.risk import AccountLimits
from hub_order.store import LimitsStore
from hub_postgres import Wakeup
from hub_runtime import get_logger

POLL_S: Final = 5.0
PAGE: Final = 1000
LONGEST_REASON: Final = 500
NONE: Final = AccountLimits()

log = get_logger("limits")


async def get_limits(account_id: UUID, principal: Principal, *, store: LimitsStore) -> AccountLimits:
    """The account's own. Raises Denied."""
    require_role(principal, "admin")
    return await store.of(account_id)


async def set_limits(
    account_id: UUID, limits: AccountLimits, reason: str, principal: Principal, *, store: LimitsStore
) -> AccountLimits:
    """The account's own from now on; all None takes them away. Raises Denied, Invalid."""
    require_role(principal, "admin")
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        sentence = f"A reason is needed: a sentence of at most {LONGEST_REASON} printable characters."
        raise Invalid(sentence, code="reason_required", field="reason")
    actor = f"user:{principal.user_id}"
    await store.set(account_id, limits, reason=reason, actor=actor)
    log.info("account_limits_set", account_id=str(account_id), actor=actor)
    return limits


@dataclass
class LimitsCopy:
    """All accounts with limits of their own, in memory. It is read on at every change, never for an order."""

    store: LimitsStore
    wakeup: Wakeup
    loaded: bool = False
    _of: dict[UUID, AccountLimits] = field(default_factory=dict)
    _last: int = 0

    def of(self, account_id: UUID) -> AccountLimits | None:
        return self._of.get(account_id)

    def state(self) -> str:
        """For readiness: before it has been read nobody knows who has narrower limits than all."""
        return "ok" if self.loaded else "the limits of accounts have not been read yet"

    async def watch(self) -> None:
        """The forever-job that keeps it. While the database is away the last copy holds."""
        while True:
            try:
                await self.read_on()
            except HubError as error:
                log.warning("account_limits_not_read", code=error.code)
            await self.wakeup.wait(POLL_S)

    async def read_on(self) -> None:
        """What changed since the last time, in pages."""
        while True:
            page = await self.store.changed_since(self._last, limit=PAGE)
            for changed in page:
                self._last = changed.change_id
                if changed.limits == NONE:
                    self._of.pop(changed.account_id, None)
                else:
                    self._of[changed.account_id] = changed.limits
            if len(page) < PAGE:
                self.loaded = True
                return
