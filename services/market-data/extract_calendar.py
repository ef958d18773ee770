"""Writes hub_market_data/data/xnys.csv: the weekdays from 2000 to 2036 on which the New York Stock Exchange
is closed or closes early, as the package exchange_calendars has them. Run it where that package is installed:

    python extract_calendar.py
"""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import exchange_calendars
import pandas

FIRST, LAST = date(2000, 1, 1), date(2036, 12, 31)
USUAL_CLOSE = "16:00"
TARGET = Path(__file__).parent / "hub_market_data" / "data" / "xnys.csv"


def main() -> None:
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
    opens = calendar.opens.dt.tz_convert(calendar.tz).dt.strftime("%H:%M")
    if set(opens) != {"09:30"}:
        raise SystemExit("there are days that open at another time: the file cannot say that")
    closes = calendar.closes.dt.tz_convert(calendar.tz).dt.strftime("%H:%M")
    names = _names(calendar)
    rows = []
    for day in pandas.bdate_range(FIRST, LAST):
        closing = closes.get(day, "")
        if closing != USUAL_CLOSE:
            rows.append((day.date().isoformat(), closing, names.get(day, "")))
    with TARGET.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("day", "closes", "name"))
        writer.writerows(rows)
    print(f"{len(rows)} days, {len(calendar.sessions)} sessions")  # noqa: T201 - for the person who runs it


def _names(calendar: exchange_calendars.ExchangeCalendar) -> dict[pandas.Timestamp, str]:
    """What the package calls the regular ones; extraordinary closings have no name there."""
    rules = [calendar.regular_holidays, *(holidays for _, holidays in calendar.special_closes)]
    named = {}
    for holidays in rules:
        found = holidays.holidays(start=FIRST, end=LAST, return_name=True)
        named |= {day.tz_localize(None): str(name) for day, name in found.items()}
    return named


if __name__ == "__main__":
    main()
