"""Keeps what was refused. No caller's answer depends on it: a refusal that cannot be kept is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import TracebackType
from uuid import UUID

from google.protobuf.message import Message

from hub_batching import Batcher
from hub_errors import Conflict, Denied, Exhausted, HubError, Invalid, NotFound, Refused
from hub_identity import Principal
from hub_order.audit import Refusal
from hub_order.domain import Quote
from hub_order.mapping_blotter import asked
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

_judged_by: ContextVar[Quote | None] = ContextVar("judged_by", default=None)

log = get_logger("refusals")


def judged_by(quote: Quote | None) -> None:
    """Notes the quote that the request being served is held against."""
    _judged_by.set(quote)


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

    @asynccontextmanager
    async def of(self, request: str, principal: Principal, message: Message) -> AsyncIterator[None]:
        """Keeps the refusal that is raised inside, and lets it go on its way."""
        judged_by(None)
        try:
            yield
        except HubError as error:
            order_id, quote = str(getattr(message, "order_id", "")), _judged_by.get()
            texts = None if quote is None else quote.texts()
            await self.record(
                request, error, principal, order_id=order_id, detail=asked(message), quote=texts
            )
            raise

    async def record(
        self,
        request: str,
        error: HubError,
        principal: Principal,
        *,
        order_id: str = "",
        detail: Mapping[str, str] | None = None,
        quote: Mapping[str, str] | None = None,
    ) -> None:
        """Never raises. `request` is submit, cancel, cancel_all, replace or close, `detail` what was asked.

        An error that speaks of us, and not of the request, is no refusal.
        """
        if not isinstance(error, DECIDED) or error.code in OUR_OWN:
            return
        REFUSALS.labels(request, error.code).inc()
        account_id, named = UUID(principal.account_id), _uuid(order_id)
        texts = {name: _text(value) for name, value in (detail or {}).items()}
        if named is None and order_id:
            texts["order_id"] = _text(order_id)
        refusal = Refusal(
            order_id=named or account_id,
            account_id=account_id,
            request=request,
            code=error.code,
            field=_text(error.field),
            sentence=_text(error.message),
            actor=f"user:{principal.user_id}",
            occurred_at=self._clock(),
            detail=texts,
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
