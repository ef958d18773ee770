"""Calendar months in New York, where the market is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hub_errors import Invalid

ZONE: Final = ZoneInfo("America/New_York")
_WRITTEN: Final = re.compile(r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True)
class Month:
    first_day: date

    @classmethod
    def of(cls, moment: datetime) -> Month:
        return cls(moment.astimezone(ZONE).date().replace(day=1))

    @classmethod
    def read(cls, text: str) -> Month:
        if not _WRITTEN.fullmatch(text):
            sentence = "month must be a year and a month such as 2026-11."
            raise Invalid(sentence, code="invalid_month", field="month")
        return cls(date.fromisoformat(f"{text}-01"))

    @property
    def text(self) -> str:
        return self.first_day.isoformat()[: len("2026-11")]

    @property
    def next(self) -> Month:
        return Month((self.first_day + timedelta(days=31)).replace(day=1))

    @property
    def before(self) -> Month:
        return Month((self.first_day - timedelta(days=1)).replace(day=1))

    @property
    def last_day(self) -> date:
        return self.next.first_day - timedelta(days=1)

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.first_day, time(), ZONE).astimezone(UTC)

    @property
    def ends_at(self) -> datetime:
        """Not included."""
        return self.next.starts_at

    def through(self, last: Month) -> Iterator[Month]:
        """This one and those after it, up to the last."""
        month = self
        while month <= last:
            yield month
            month = month.next
