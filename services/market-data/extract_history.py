"""Writes hub_market_data/data/history.csv.gz and corporate_actions.csv from the "stocks" data of the package
bokeh-sampledata. Run it where that package is installed (it needs nothing else):

    python extract_history.py

A corporate action shows in the source's adjusted closes: from one day to the next the share of the adjusted
close in the close, which is the same on all other days to a dozen digits, steps up. A step that is a ratio of
small whole numbers is a split. Any other is a dividend, which the source has reinvested at the close of the
ex-date: the step is 1 + amount / close, and the amount comes out exact to the cent. A step that is neither is
refused.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from importlib import resources
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path

TARGET = Path(__file__).parent / "hub_market_data" / "data"
CENT = Decimal("0.01")
# Steps smaller than this are the noise of the source's own arithmetic: the largest is 1e-13, the smallest
# step of an action 1e-3.
NOISE = Decimal("1e-9")
EXACT = Decimal("1e-7")
# Far more than a comparison to four digits needs.
DIGITS = Context(prec=8)


@dataclass(frozen=True)
class Row:
    symbol: str
    day: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    adjusted: str

    @property
    def share(self) -> Decimal:
        return Decimal(self.adjusted) / Decimal(self.close)


def main() -> None:
    rows = read()
    columns = ["symbol", "day", "open", "high", "low", "close", "volume", "adjusted_close"]
    history = [astuple(replace(row, adjusted=str(DIGITS.create_decimal(row.adjusted)))) for row in rows]
    packed = gzip.compress(text(columns, history), 9, mtime=0)
    (TARGET / "history.csv.gz").write_bytes(packed)
    found = [action for _, own in groupby(rows, attrgetter("symbol")) for action in actions(list(own))]
    columns = ["symbol", "ex_date", "type", "ratio", "amount", "currency"]
    (TARGET / "corporate_actions.csv").write_bytes(text(columns, found))
    print(f"{len(rows)} days, {len(found)} corporate actions")  # noqa: T201 - for the person who runs it


def read() -> list[Row]:
    packed = resources.files("bokeh_sampledata").joinpath("_data/stocks.csv.gz").read_bytes()
    _, *lines = csv.reader(io.StringIO(gzip.decompress(packed).decode("utf-8")))
    return sorted((Row(*line) for line in lines), key=attrgetter("symbol", "day"))


def actions(rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    for before, row in pairwise(rows):
        step = row.share / before.share
        if abs(step - 1) < NOISE:
            continue
        ratio = Fraction(step).limit_denominator(20)
        amount = (Decimal(row.close) * (step - 1)).quantize(CENT)
        if ratio.numerator <= 20 and is_step(step, Decimal(ratio.numerator) / ratio.denominator):
            yield row.symbol, row.day, "SPLIT", Decimal(ratio.numerator) / ratio.denominator, "", ""
        elif amount > 0 and is_step(step, 1 + amount / Decimal(row.close)):
            yield row.symbol, row.day, "DIVIDEND", "", amount, "USD"
        else:
            raise SystemExit(f"{row.symbol} {row.day}: a step of {step} is neither a split nor a dividend")


def is_step(step: Decimal, expected: Decimal) -> bool:
    return abs(step - expected) < EXACT


def text(columns: Sequence[str], lines: Sequence[Sequence[object]]) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return written.getvalue().encode("ascii")


if __name__ == "__main__":
    main()
