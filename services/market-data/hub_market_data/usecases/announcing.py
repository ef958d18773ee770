"""Corporate actions to come: administrators add them, the order service carries them out when their day is
there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from hub_errors import Conflict, Invalid, NotFound, Refused
from hub_market_data.board import Board
from hub_market_data.domain.actions import ActionType, CorporateAction
from hub_market_data.domain.calendars import Calendar, read_day
from hub_market_data.domain.instruments import Instrument, unknown_symbol
from hub_market_data.domain.splits import begins_at
from hub_market_data.store import Act, Actions
from hub_market_data.usecases.asking import require_loaded
from hub_money import money, parse_decimal, to_text
from hub_runtime import Clock, get_logger

FARTHEST: Final = timedelta(days=366)
# Every process that follows the market has heard of an action before its day begins.
LEAD: Final = timedelta(seconds=10)
# A day whose hours were taken away gives its actions to the next one.
LONGEST_PAUSE: Final = timedelta(days=30)
LEAST_RATIO: Final = Decimal("0.001")
MOST_RATIO: Final = Decimal(1000)
MOST_DUE: Final = 100

log = get_logger("actions")


@dataclass(frozen=True, kw_only=True)
class Announcing:
    """What it needs."""

    board: Board
    actions: Actions
    clock: Clock

    @property
    def market_time(self) -> datetime:
        return self.board.market_time or self.clock()

    async def begins_at(self, action: CorporateAction) -> datetime | None:
        """The opening of the ex-date; None where its calendar has no session so late, or is gone."""
        instrument = self.board.instruments.get(action.symbol)
        calendar = None if instrument is None else self.board.calendars.get(instrument.calendar)
        if calendar is None:
            return None
        last_day = action.ex_date + LONGEST_PAUSE
        sessions = (
            ()
            if calendar.always_open
            else await self.actions.sessions(calendar.calendar, action.ex_date, last_day)
        )
        return begins_at(calendar, action.ex_date, sessions, self.board.extended_hours)


async def add_action(
    announcing: Announcing,
    actor: UUID,
    *,
    symbol: str,
    type_: ActionType,
    ex_date: str,
    ratio: str,
    amount: str,
) -> CorporateAction:
    """The same once more is the same answer. Raises Conflict where there is another one of that day."""
    board = announcing.board
    require_loaded(board)
    instrument = board.instruments.get(symbol)
    if instrument is None:
        raise unknown_symbol()
    day = read_day(ex_date, "ex_date")
    if type_ is ActionType.SPLIT:
        new = CorporateAction(symbol=symbol, ex_date=day, type=type_, ratio=_ratio(ratio, amount))
    else:
        cash = _amount(amount, ratio, board, symbol)
        currency = instrument.currency
        new = CorporateAction(symbol=symbol, ex_date=day, type=type_, amount=cash, currency=currency)
    known = next((each for each in await announcing.actions.added() if each.key == new.key), None)
    if known is None:
        await _must_come(announcing, new, instrument)
        act = Act(actor=actor, act="add_corporate_action", detail=_detail(new))
        known = await announcing.actions.add(new, act=act)
    if not known.added or known.terms != new.terms:
        raise Conflict(
            "The instrument has another action of that type and day.",
            code="corporate_action_exists",
            field="ex_date",
        )
    log.info("corporate_action_added", **_detail(new), highlight=True)
    return known


async def list_due(announcing: Announcing) -> Sequence[tuple[CorporateAction, datetime]]:
    """Those that have taken effect and are not carried out, in their order, each with its moment."""
    require_loaded(announcing.board)
    now, due = announcing.market_time, list[tuple[CorporateAction, datetime]]()
    for action in await announcing.actions.added():
        if action.applied_at is not None:
            continue
        effective_at = action.effective_at or await announcing.begins_at(action)
        if effective_at is None or effective_at > now:
            continue
        if action.effective_at is None:
            await announcing.actions.take_effect(action, effective_at)
        due.append((action, effective_at))
    due.sort(key=lambda each: each[1])  # stable: of one moment a split comes first
    return due[:MOST_DUE]


async def lieu_price(announcing: Announcing, action: CorporateAction) -> Decimal | None:
    """What a new share is worth where a split may leave parts of shares that cannot be traded."""
    instrument = announcing.board.instruments.get(action.symbol)
    if action.ratio is None or instrument is None or instrument.fractionable:
        return None
    close = await announcing.actions.close_before(action)
    return None if close is None else money(close / action.ratio) or None


async def complete(announcing: Announcing, action_id: UUID) -> None:
    """Raises NotFound for one that nobody has added, Refused before its day."""
    added = await announcing.actions.added()
    action = next((each for each in added if each.action_id == action_id), None)
    if action is None:
        raise NotFound("There is no such action.", code="unknown_corporate_action", field="action_id")
    if action.effective_at is None:
        raise Refused("The action has not taken effect.", code="corporate_action_not_due", field="action_id")
    await announcing.actions.complete(action)
    log.info("corporate_action_applied", **_detail(action), highlight=True)


async def _must_come(announcing: Announcing, new: CorporateAction, instrument: Instrument) -> None:
    """Later than the running trading day, on a trading day, within a year."""
    now, calendar = announcing.market_time, announcing.board.calendars[instrument.calendar]
    today = now.astimezone(ZoneInfo(calendar.timezone)).date()
    if new.ex_date <= today:
        raise Invalid(
            f"The ex-date must be later than {today.isoformat()}, by the market's clock.",
            code="ex_date_not_ahead",
            field="ex_date",
        )
    if new.ex_date - today > FARTHEST:
        raise Invalid("That is more than a year ahead.", code="ex_date_too_far", field="ex_date")
    if not await _trades_on(announcing, calendar, new.ex_date):
        raise Invalid("The market is closed on that day.", code="not_a_trading_day", field="ex_date")
    begins = await announcing.begins_at(new)
    if begins is None or begins - now < LEAD:
        raise Invalid("That day is about to begin.", code="ex_date_not_ahead", field="ex_date")


async def _trades_on(announcing: Announcing, calendar: Calendar, day: date) -> bool:
    return calendar.always_open or bool(await announcing.actions.sessions(calendar.calendar, day, day))


def _ratio(ratio: str, amount: str) -> Decimal:
    if amount:
        raise Invalid("A split has no amount.", code="amount_not_allowed", field="amount")
    if not ratio:
        raise Invalid("A split has a ratio.", code="ratio_required", field="ratio")
    found = parse_decimal(ratio, field="ratio")
    if found == 1 or not LEAST_RATIO <= found <= MOST_RATIO:
        sentence = f"A ratio is from {to_text(LEAST_RATIO)} to {to_text(MOST_RATIO)}, and not 1."
        raise Invalid(sentence, code="invalid_ratio", field="ratio")
    return found


def _amount(amount: str, ratio: str, board: Board, symbol: str) -> Decimal:
    if ratio:
        raise Invalid("A dividend has no ratio.", code="ratio_not_allowed", field="ratio")
    if not amount:
        raise Invalid("A dividend has an amount.", code="amount_required", field="amount")
    found = parse_decimal(amount, field="amount")
    quote = board.quotes.get(symbol)
    if quote is not None and found >= quote.last:
        sentence = f"A dividend is less than the price, {to_text(quote.last)}."
        raise Invalid(sentence, code="invalid_amount", field="amount")
    return found


def _detail(action: CorporateAction) -> dict[str, Any]:
    number = action.ratio if action.ratio is not None else action.amount
    return {
        "symbol": action.symbol,
        "type": action.type.value,
        "ex_date": action.ex_date.isoformat(),
        "number": "" if number is None else to_text(number),
    }
