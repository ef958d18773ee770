"""Keeps what was refused. No caller's answer depends on it: a refusal that cannot be kept is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from uuid import UUID

from hub_batching import Batcher
from hub_errors import Conflict, Denied, Exhausted, HubError, Invalid, NotFound, Refused
from hub_identity import Principal
from hub_order.audit import Refusal
from hub_runtime import Clock, counter, get_logger

# What a caller waits at most for the record of its refusal; the record itself is tried for longer.
PATIENCE_S = 0.25
LIMIT_S = 2.0
# As many as one statement takes; a flood waits for its turn and leaves the other connections alone.
BATCH = {"limit": 64, "in_flight": 1}
LONGEST_TEXT = 256
# Errors that speak of the request. The others speak of us: nobody has decided anything then.
DECIDED = (Invalid, Denied, NotFound, Conflict, Refused, Exhausted)
OUR_OWN = frozenset({"queue_full"})

REFUSALS = counter("hub_order_refusals_total", "Requests that were refused", ("request", "code"))
NOT_RECORDED = counter("hub_order_refusals_not_recorded_total", "Refusals of which there is no record")

log = get_logger("refusals")


class Refusals:
    """Enter it after the batcher; leaving waits, a moment, for what is under way."""

    def __init__(self, batches: Batcher[Refusal, None], clock: Clock) -> None:
        self._batches = batches
        self._clock = clock
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Refusals:
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        group, self._group = self._group, None
        if group is not None:
            await group.__aexit__(None, None, None)

    async def record(
        self,
        request: str,
        error: HubError,
        principal: Principal | None,
        *,
        order_id: str = "",
        detail: Mapping[str, str] | None = None,
        quote: Mapping[str, str] | None = None,
    ) -> None:
        """Never raises. `request` is submit, cancel, replace, close or cancel_all, `detail` what was asked.

        A request of nobody known, and an error that speaks of us, are no refusals.
        """
        if principal is None or not isinstance(error, DECIDED) or error.code in OUR_OWN:
            return
        REFUSALS.labels(request, error.code).inc()
        account_id, named = UUID(principal.account_id), _uuid(order_id)
        asked = {name: _text(value) for name, value in (detail or {}).items()}
        if named is None and order_id:
            asked["order_id"] = _text(order_id)
        refusal = Refusal(
            order_id=named or account_id,
            account_id=account_id,
            request=request,
            code=error.code,
            field=_text(error.field),
            sentence=_text(error.message),
            actor=f"user:{principal.user_id}",
            occurred_at=self._clock(),
            detail=asked,
            quote=quote,
        )
        if self._group is None:
            _lost(refusal, "stopping")
            return
        task = self._group.create_task(self._keep(refusal), name="refusal")
        # Whoever goes away or has waited enough leaves the record to itself.
        await asyncio.wait({task}, timeout=PATIENCE_S)

    async def _keep(self, refusal: Refusal) -> None:
        try:
            await self._batches.submit(refusal, LIMIT_S)
        except Exception as error:  # noqa: BLE001 - the answer has been given, whatever this is
            _lost(refusal, repr(error))


def _lost(refusal: Refusal, why: str) -> None:
    NOT_RECORDED.inc()
    about = {"order_id": str(refusal.order_id), "account_id": str(refusal.account_id)}
    log.error("refusal_not_recorded", **about, request=refusal.request, code=refusal.code, error=why)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _text(value: str) -> str:
    """What a caller sent, as the database takes it: short, and without the one character that it does not."""
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:LONGEST_TEXT]
