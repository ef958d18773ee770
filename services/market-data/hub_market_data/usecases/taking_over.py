"""Corporate actions that somebody else's files tell of: those to come are announced as an administrator
would, those from before anything was traded here are history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from hub_errors import Conflict, Invalid, NotFound
from hub_market_data.domain.actions import CorporateAction
from hub_market_data.domain.tape import NEW_YORK
from hub_market_data.usecases.announcing import Announcing, add_action
from hub_money import to_text

OPERATOR: Final = UUID(int=0)
"""The actor of what was done on the machine, by nobody's account."""
Fate = Literal["announced", "known", "history", "later", "missed", "refused"]
_FATES: Final[dict[str, Fate]] = {"ex_date_too_far": "later", "ex_date_not_ahead": "missed"}


@dataclass(frozen=True, kw_only=True)
class Told:
    """`later`: more than a year ahead, to be told again when it is nearer. `missed`: its day is over by the
    market's clock, and prices were shown here before it, so that somebody may hold what it was for."""

    action: CorporateAction
    fate: Fate
    reason: str = ""


async def take_over(announcing: Announcing, actions: Sequence[CorporateAction]) -> Sequence[Told]:
    """Each once, however often it is told."""
    added = {each.key for each in await announcing.actions.added()}
    first_days = await announcing.actions.first_days()
    today = announcing.market_time.astimezone(NEW_YORK).date()

    def is_history(action: CorporateAction) -> bool:
        return action.key not in added and action.ex_date <= first_days.get(action.symbol, today)

    past = [action for action in actions if is_history(action)]
    await announcing.actions.remember(past)
    told = [Told(action=action, fate="history") for action in past]
    told += [
        await _announced(announcing, action, known=action.key in added)
        for action in actions
        if not is_history(action)
    ]
    return sorted(told, key=lambda each: (each.action.symbol, each.action.ex_date))


async def _announced(announcing: Announcing, action: CorporateAction, *, known: bool) -> Told:
    try:
        await add_action(
            announcing,
            OPERATOR,
            symbol=action.symbol,
            type_=action.type,
            ex_date=action.ex_date.isoformat(),
            ratio="" if action.ratio is None else to_text(action.ratio),
            amount="" if action.amount is None else to_text(action.amount),
        )
    except (Invalid, Conflict, NotFound) as error:
        return Told(action=action, fate=_FATES.get(error.code, "refused"), reason=str(error))
    return Told(action=action, fate="known" if known else "announced")
