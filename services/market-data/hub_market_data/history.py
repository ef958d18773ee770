"""The committed price history and its corporate actions; data/NOTICE says where they come from."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from importlib import resources

from hub_market_data.domain.actions import ActionType, CorporateAction
from hub_market_data.domain.bars import Bar, midnight


@dataclass(frozen=True, kw_only=True)
class Series:
    """One symbol's: the days in order, and what happened on some of them."""

    bars: Sequence[Bar]
    actions: Sequence[CorporateAction]

    def moved(self, days: Sequence[date]) -> Series:
        """To the last of those days: its last day becomes the last of them, and so on backwards. Actions stay
        on the days on which they happened."""
        bars = self.bars[-len(days) :] if days else ()
        new_days = {bar.day: day for bar, day in zip(bars, days[-len(bars) :], strict=True)}
        return Series(
            bars=[replace(bar, day=new_days[bar.day], starts_at=midnight(new_days[bar.day])) for bar in bars],
            actions=[
                replace(action, ex_date=new_days[action.ex_date])
                for action in self.actions
                if action.ex_date in new_days
            ],
        )


def read_series() -> Mapping[str, Series]:
    """By symbol, on the days on which it was."""
    bars: dict[str, list[Bar]] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(_packed("history.csv.gz")).decode("ascii"))):
        day = date.fromisoformat(row["day"])
        bar = Bar(
            starts_at=midnight(day),
            day=day,
            open=Decimal(row["open"]),
            high=Decimal(row["high"]),
            low=Decimal(row["low"]),
            close=Decimal(row["close"]),
            volume=Decimal(row["volume"]),
        )
        bars.setdefault(row["symbol"], []).append(bar)
    actions = _actions()
    return {symbol: Series(bars=own, actions=actions.get(symbol, ())) for symbol, own in bars.items()}


def _actions() -> Mapping[str, Sequence[CorporateAction]]:
    found: dict[str, list[CorporateAction]] = {}
    for row in csv.DictReader(io.StringIO(_packed("corporate_actions.csv").decode("ascii"))):
        action = CorporateAction(
            symbol=row["symbol"],
            ex_date=date.fromisoformat(row["ex_date"]),
            type=ActionType(row["type"]),
            ratio=Decimal(row["ratio"]) if row["ratio"] else None,
            amount=Decimal(row["amount"]) if row["amount"] else None,
            currency=row["currency"] or None,
        )
        found.setdefault(action.symbol, []).append(action)
    return found


def _packed(name: str) -> bytes:
    return resources.files("hub_market_data").joinpath("data", name).read_bytes()
