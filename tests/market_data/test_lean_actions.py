"""LEAN's factor files become corporate actions, its map files lead to the files of former names.

HUB_TEST_LEAN_DATA names a folder in LEAN's layout to hold against what is known of Apple.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from hub.market_data.v1 import market_data_pb2 as pb
from hub_market_data import exchange
from hub_market_data.domain.actions import ActionType
from hub_market_data.domain.factors import Factors, actions_of
from hub_market_data.lean_actions import announce_factors, lean_actions
from hub_market_data.lean_factors import read_factors
from hub_market_data.lean_files import LeanFolder
from hub_market_data.settings import MarketDataSettings
from hub_market_data.store import Feeding
from hub_market_data.usecases.taking_over import OPERATOR
from hub_postgres import Pool
from hub_runtime import SettingsError, load
from tests.market_data.conftest import NewHouse
from tests.market_data.lean_data import pack, place
from tests.market_data.test_lean import seeded
from tests.support.servers import Database
from tests.support.tls import Tls

GIVEN = os.environ.get("HUB_TEST_LEAN_DATA", "")
TRADING_DAYS = [session.day for session in exchange.sessions()]
# Of Apple: a split of seven for one, and dividends of before and after it. Its symbol here is one of which no
# history is seeded.
APPLE = """\
19980102,0.8908440,0.01785710,1
20050225,0.8908440,0.01785710,88.97
20140205,0.8908440,0.03571430,512.59
20140507,0.8961764,0.03571430,592.33
20140606,0.9011818,0.03571430,645.57
20140806,0.9011818,0.25,94.97
20141105,0.9056639,0.25,108.86
20150204,0.9095911,0.25,119.56
20150506,0.9131808,0.25,125.01
20150805,0.9169952,0.25,115.4
20501231,0.9211460,0.25,0
"""


def rows(*lines: tuple[str, str, str, str]) -> Sequence[Factors]:
    return [
        Factors(day=date.fromisoformat(day), price=Decimal(price), split=Decimal(split), close=Decimal(close))
        for day, price, split, close in lines
    ]


def told_of(found: Sequence[Factors]) -> list[tuple[str, str, str]]:
    actions = actions_of("X", found, TRADING_DAYS, currency="USD")
    return [
        (
            each.ex_date.isoformat(),
            each.type.value,
            f"{(each.ratio or each.amount or Decimal()).normalize():f}",
        )
        for each in actions
    ]


@pytest.mark.parametrize(
    ("factor", "ratio"),
    [
        ("0.5", "2"),
        ("0.6666667", "1.5"),
        ("0.3333333", "3"),
        ("0.1428571", "7"),
        ("10", "0.1"),
        ("0.05", "20"),
        ("0.9523810", "1.05"),
        ("0.9564523", "1.04553045"),  # of a part of a company that went its own way
    ],
)
def test_a_split_is_the_simplest_ratio_that_fits_its_factors(factor: str, ratio: str) -> None:
    found = rows(("2014-06-06", "1", factor, "100"), ("2050-12-31", "1", "1", "0"))
    assert told_of(found) == [("2014-06-09", "SPLIT", ratio)], "the next trading day is a Monday"


@pytest.mark.parametrize(
    ("close", "amount"),
    [("592.33", "3.29"), ("94.97", "0.47"), ("119.03", "0.205"), ("12.5", "0.01"), ("40.07", "0.333333")],
)
def test_a_dividend_is_the_simplest_amount_that_fits_its_factors(close: str, amount: str) -> None:
    factor = f"{1 - Decimal(amount) / Decimal(close):.7f}"
    found = rows(("2014-05-07", factor, "1", close), ("2050-12-31", "1", "1", "0"))
    [(day, kind, paid)] = told_of(found)
    assert (day, kind) == ("2014-05-08", "DIVIDEND")
    assert abs(Decimal(paid) - Decimal(amount)) < Decimal("0.00001")
    assert len(paid) <= len(amount)


def test_a_dividend_of_the_day_of_a_split_is_one_for_the_new_shares() -> None:
    found = rows(("2014-06-06", "0.99", "0.5", "200"), ("2050-12-31", "1", "1", "0"))
    assert told_of(found) == [("2014-06-09", "SPLIT", "2"), ("2014-06-09", "DIVIDEND", "1")]


def folder(root: Path, factors: str = APPLE, symbol: str = "zapl") -> Path:
    for day in (date(2014, 6, 5), date(2014, 6, 6), date(2014, 6, 9)):
        pack(place(root, "tick", symbol, day, "trade"), ["34200000,6400000,100,N,1,0"])
    path = root / f"equity/usa/factor_files/{symbol}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(factors)
    return root


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x,1,1,5", "'x' is no day"),
        ("20140101,1", "2 columns"),
        ("20140101,1e3,1,5", "'1e3' is no number"),
        ("20140101,0,1,5", "a factor is 0"),
        ("20141301,1,1,5", "month must be in 1..12"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, reason: str, tmp_path: Path) -> None:
    folder(tmp_path, f"20120101,0.9,1,5\n{line}\n20501231,1,1,0\n")
    with pytest.raises(ValueError, match=f"zapl.csv, line 2: .*{reason}"):
        read_factors(tmp_path, "ZAPL")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("20140101,0.9,1\n20501231,1,1\n", "no closing price"),
        ("20140101,1.1,1,5\n20501231,1,1,0\n", "above the next one"),
        ("20140101,1,1,5\n20130101,1,1,0\n", "2013-01-01 comes after 2014-01-01"),
    ],
)
def test_rows_that_make_no_sense_are_refused(text: str, reason: str, tmp_path: Path) -> None:
    found = read_factors(folder(tmp_path, text), "ZAPL")
    with pytest.raises(ValueError, match=reason):
        list(actions_of("ZAPL", found, TRADING_DAYS, currency="USD"))


def test_of_a_symbol_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert read_factors(folder(tmp_path), "IBM") == ()


@pytest.fixture
def settings(market_database: Database, tls: Tls, tmp_path: Path) -> MarketDataSettings:
    password = tmp_path / "password"
    password.write_text(market_database.runtime.password)
    files = tls.files("market-data")
    return load(
        MarketDataSettings,
        {
            "HUB_DATABASE_URL": market_database.runtime.url,
            "HUB_DATABASE_PASSWORD_FILE": str(password),
            "HUB_TLS_CA": str(files.ca),
            "HUB_TLS_CERT": str(files.cert),
            "HUB_TLS_KEY": str(files.key),
            "HUB_AUTH_TARGET": "dns:///auth:1",
            "HUB_REDIS_URL": "redis://127.0.0.1:1/0",
            "HUB_REDIS_PASSWORD_FILE": str(password),
            "HUB_GRPC_ADDRESS": "127.0.0.1:0",
            "HUB_ADMIN_ADDRESS": "127.0.0.1:0",
            "HUB_FEED": "lean",
            "HUB_FEED_DATA": str(folder(tmp_path / "data")),
        },
    )


def root(settings: MarketDataSettings) -> Path:
    assert settings.feed_data is not None
    return settings.feed_data


async def listed(new_house: NewHouse, symbol: str = "ZAPL") -> list[tuple[str, str, str]]:
    async with new_house() as house:
        found = await house.stub.ListCorporateActions(pb.ListCorporateActionsRequest(symbol=symbol))
    return [
        (each.ex_date, each.ratio or each.amount, pb.CorporateActionStatus.Name(each.status)[24:])
        for each in found.actions
    ]


async def test_what_comes_is_announced_what_was_is_history_and_what_is_far_waits(
    settings: MarketDataSettings,
    owner_pool: Pool,
    pool: Pool,
    new_house: NewHouse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    assert await lean_actions(settings, []) == 0
    said = capsys.readouterr().out.splitlines()
    assert "ZAPL 2014-06-09 split 7: announced" in said
    assert said[-2].startswith("ZAPL 2015-08-06 dividend 0.52: later (")
    assert said[-1] == "5 announced, 0 known, 3 history, 1 later, 0 missed, 0 refused"
    assert await listed(new_house) == [
        ("2005-02-28", "2", "HISTORY"),
        ("2014-02-06", "3.05", "HISTORY"),
        ("2014-05-08", "3.29", "HISTORY"),
        ("2014-06-09", "7", "ANNOUNCED"),
        ("2014-08-07", "0.47", "ANNOUNCED"),
        ("2014-11-06", "0.47", "ANNOUNCED"),
        ("2015-02-05", "0.47", "ANNOUNCED"),
        ("2015-05-07", "0.52", "ANNOUNCED"),
    ]
    actors = await pool.fetch("SELECT actor FROM admin_events WHERE act = 'add_corporate_action'")
    assert {row["actor"] for row in actors} == {OPERATOR}
    assert len(actors) == 5


async def test_once_more_nothing_is_announced_twice(
    settings: MarketDataSettings,
    owner_pool: Pool,
    new_house: NewHouse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    await lean_actions(settings, [])
    first = await listed(new_house)
    capsys.readouterr()
    assert await lean_actions(settings, ["--data", str(root(settings))]) == 0
    assert capsys.readouterr().out.endswith("0 announced, 5 known, 3 history, 1 later, 0 missed, 0 refused\n")
    assert await listed(new_house) == first


async def play_until(pool: Pool, moment: datetime, *, kind: str = "lean") -> None:
    """As a feeder leaves it that has shown prices of 5 June."""
    await Feeding(pool).draw_epoch(kind)
    await pool.execute("UPDATE feed_state SET market_time = $1", moment)
    await pool.execute(
        "INSERT INTO day_bars (symbol, day, open, high, low, close, volume, seeded)"
        " VALUES ('ZAPL', '2014-06-05', 640, 640, 640, 640, 100, false)"
    )


async def test_a_day_that_is_over_and_had_holders_is_missed_and_said(
    settings: MarketDataSettings,
    owner_pool: Pool,
    pool: Pool,
    new_house: NewHouse,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    await play_until(pool, datetime(2014, 6, 9, 15, tzinfo=UTC))
    assert await lean_actions(settings, []) == 1
    assert "ZAPL 2014-06-09 split 7: missed" in capsys.readouterr().out
    assert "2014-06-09" not in {day for day, _, _ in await listed(new_house)}, "prices are not adjusted alone"


async def test_a_file_that_cannot_be_read_is_named_and_the_others_count(
    settings: MarketDataSettings, owner_pool: Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(root(settings), "20140101,?,1,5\n", "ibm")
    await seeded(owner_pool, root(settings), "tick")
    assert await lean_actions(settings, []) == 1
    said = capsys.readouterr()
    assert "IBM: ibm.csv, line 1: '?' is no number" in said.err.splitlines()
    assert "ZAPL 2014-06-09 split 7: announced" in said.out


async def test_a_database_that_plays_something_else_is_left_alone(
    settings: MarketDataSettings, owner_pool: Pool, pool: Pool
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    await play_until(pool, datetime(2014, 6, 5, 15, tzinfo=UTC), kind="replay")
    with pytest.raises(SettingsError, match="plays replay"):
        await announce_factors(pool, settings, root(settings))


async def test_a_database_that_is_to_play_something_else_is_left_alone(
    settings: MarketDataSettings, owner_pool: Pool, pool: Pool
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    other = replace(settings, feed="replay", feed_data=None)
    with pytest.raises(SettingsError, match="HUB_FEED is replay"):
        await lean_actions(other, ["--data", str(root(settings))])


async def test_a_price_of_the_split_day_waits_until_positions_have_it(
    settings: MarketDataSettings, owner_pool: Pool, new_house: NewHouse
) -> None:
    await seeded(owner_pool, root(settings), "tick")
    await lean_actions(settings, [])
    async with new_house() as house:
        board = house.board
        assert not board.splits.holds_back("ZAPL", datetime(2014, 6, 6, 19, tzinfo=UTC))
        assert board.splits.holds_back("ZAPL", datetime(2014, 6, 9, 14, tzinfo=UTC))


def mapped(root: Path, maps: dict[str, str], files: Sequence[tuple[str, date]]) -> LeanFolder:
    for name, text in maps.items():
        path = root / f"equity/usa/map_files/{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for number, (name, day) in enumerate(files, start=1):
        pack(place(root, "tick", name, day, "trade"), [f"34200000,{number}0000,100,N,1,0"])
    return LeanFolder(root, "tick")


def played(found: LeanFolder) -> dict[date, list[tuple[str, int]]]:
    """Symbol and price of what is played each day."""
    return {
        day: sorted((event.symbol, int(event.price)) for event in found.events(day, found.symbols))  # type: ignore[union-attr]
        for day in found.days
    }


OLD, LAST, NEW = date(2010, 1, 4), date(2014, 4, 2), date(2014, 4, 3)
# As it happened: GOOG became GOOGL, and another share, GOOCV before it was traded for good, became GOOG.
GOOGLE = {
    "googl": "20040819,goog,Q\n20140402,goog,Q\n20501231,googl,Q\n",
    "goog": "20140327,goocv,Q\n20140402,goocv,Q\n20501231,goog,P\n",
}


def test_files_of_a_former_name_are_played_for_who_was_called_so_then(tmp_path: Path) -> None:
    files = [("goog", OLD), ("goog", LAST), ("goocv", LAST), ("goog", NEW), ("googl", NEW), ("ibm", NEW)]
    found = mapped(tmp_path, GOOGLE, files)
    assert played(found) == {
        OLD: [("GOOGL", 1)],
        LAST: [("GOOG", 3), ("GOOGL", 2)],
        NEW: [("GOOG", 4), ("GOOGL", 5), ("IBM", 6)],
    }
    assert found.symbols == ["GOOG", "GOOGL", "IBM"], "a former name is no instrument"
    assert (found.exchange("GOOG"), found.exchange("GOOGL"), found.exchange("IBM")) == ("P", "Q", "")


def test_files_of_a_name_that_was_not_yet_ones_own_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = mapped(tmp_path, {"goog": GOOGLE["goog"]}, [("goog", OLD), ("goog", NEW)])
    assert played(found) == {NEW: [("GOOG", 2)]}
    assert "lean_file_of_nobody" in "".join(capsys.readouterr())


def test_a_map_that_cannot_be_read_is_told_of_and_counts_as_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = mapped(tmp_path, {"goog": "20140402;goocv\n"}, [("goog", OLD)])
    assert played(found) == {OLD: [("GOOG", 1)]}
    assert "lean_map_broken" in "".join(capsys.readouterr())


if GIVEN:

    def test_of_apple_all_splits_and_dividends_are_those_that_happened() -> None:
        found = list(
            actions_of(
                "AAPL",
                read_factors(Path(GIVEN), "AAPL"),
                TRADING_DAYS,
                currency="USD",
            )
        )
        splits = [
            (each.ex_date.isoformat(), int(each.ratio or 0))
            for each in found
            if each.type is ActionType.SPLIT
        ]
        assert splits == [("2000-06-21", 2), ("2005-02-28", 2), ("2014-06-09", 7), ("2020-08-31", 4)]
        paid = [each.amount for each in found if each.type is ActionType.DIVIDEND]
        quarters = (
            "2.65 2.65 2.65 3.05 3.05 3.05 3.05 3.29 0.47 0.47 0.47 0.52 0.52 0.52 0.52 0.57 0.57 0.57 0.57"
        )
        quarters += " 0.63 0.63 0.63 0.63 0.73 0.73 0.73 0.73 0.77 0.77 0.77 0.77 0.82 0.82 0.205 0.205"
        assert paid[: len(quarters.split())] == [Decimal(each) for each in quarters.split()]
