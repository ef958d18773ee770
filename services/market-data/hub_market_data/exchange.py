"""The New York Stock Exchange's days and hours from 2000 to 2036, made from the committed list of days that
are not as usual; data/NOTICE says where that comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from importlib import resources
from typing import Final

from hub_market_data.domain.calendars import Calendar, Hours, Session

XNYS: Final = Calendar(calendar="XNYS", always_open=False, timezone="America/New_York")
SETTLEMENT: Final = "US"
FIRST: Final = date(2000, 1, 1)
LAST: Final = date(2036, 12, 31)
_OPENS: Final = time(9, 30)
_CLOSES: Final = time(16, 0)


def sessions() -> Sequence[Session]:
    """All of them, in time order."""
    unusual = _unusual_days()
    usual = Hours(opens=_OPENS, closes=_CLOSES)
    found = []
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        if day.isoweekday() < 6 and (hours := unusual.get(day, usual)) is not None:
            found.append(hours.session(XNYS, day))
    return found


def _unusual_days() -> Mapping[date, Hours | None]:
    """None: closed."""
    text = resources.files("hub_market_data").joinpath("data/xnys.csv").read_text(encoding="ascii")
    return {
        date.fromisoformat(row["day"]): _hours(row["closes"]) for row in csv.DictReader(io.StringIO(text))
    }


def _hours(closes: str) -> Hours | None:
    return Hours(opens=_OPENS, closes=time.fromisoformat(closes)) if closes else None
