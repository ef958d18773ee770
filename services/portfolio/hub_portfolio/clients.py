"""The position service, the market and its live prices, as this service needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, Protocol, Self
from uuid import UUID

from grpc import aio

from hub.market_data.v1 import market_data_pb2, market_data_pb2_grpc
from hub.position.v1 import (
    activities_pb2,
    activities_pb2_grpc,
    books_pb2,
    books_pb2_grpc,
    position_pb2,
    position_pb2_grpc,
)
from hub_batching import Batcher
from hub_errors import HubError, NotFound, Unavailable
from hub_market_client import QuoteCache
from hub_portfolio import mapping, mapping_statements
from hub_portfolio.domain.benchmark import Bar
from hub_portfolio.domain.history import OpenBooks
from hub_portfolio.domain.mark import Mark
from hub_portfolio.domain.statement import Close, Cut, Line
from hub_portfolio.domain.valuation import Books
from hub_rpc import calling_as

# Of bars, so many pages: years of days, or weeks of five minutes.
MOST_PAGES: Final = 6
BARS_ON_A_PAGE: Final = 1000
LINES_ON_A_PAGE: Final = 500
ASKED_AT_ONCE: Final = 32
# Before the end of a month there may be holidays, and trading that was halted for days.
LOOK_BACK: Final = timedelta(days=14)


class Asker(NamedTuple):
    """Who asks for what is his, as his token says, which has been verified."""

    account_id: str
    user_id: str
    token: str


class Accounts(Protocol):
    """A user's cash and positions at cost; the token says whose."""

    async def books(self, token: str) -> Books:
        """Opens the account on first touch."""
        ...

    async def own_books(self, asker: Asker) -> Books:
        """The same, for whom many may ask at once."""
        ...


class Prices(Protocol):
    def mark(self, symbol: str) -> Mark: ...

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """Those that no instrument has."""
        ...


class BooksOfMany(Protocol):
    async def of_accounts(self, account_ids: Sequence[UUID]) -> Mapping[UUID, OpenBooks]:
        """As of one moment; those that do not exist are left out."""
        ...


class Bars(Protocol):
    async def since(self, symbol: str, start: datetime, *, within_day: bool) -> Sequence[Bar]:
        """Of days, or of five minutes; oldest first, adjusted for splits and dividends."""
        ...


class Ledger(Protocol):
    """An account's ledger, between two cuts."""

    async def cut(self, account_id: UUID, after: int, until: datetime | None) -> Cut:
        """With what was booked before a time, or with all there is."""
        ...

    async def lines(self, account_id: UUID, after: int, through: int) -> Sequence[Line]:
        """Oldest first."""
        ...


class Closes(Protocol):
    async def last(self, symbol: str, day: date) -> Close | None:
        """The close of that day, or of the last one before it that it was traded on, as it was traded."""
        ...


class PositionAccounts:
    """The position service decides by the caller's own token, which is passed on as it came, or by this
    service's certificate and word, for whoever asks together with others. Use as a context manager."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = position_pb2_grpc.PositionServiceStub(channel)
        self._many = books_pb2_grpc.BooksServiceStub(channel)
        self._asked: Batcher[Asker, Books | None] = Batcher(
            self._together, limit=ASKED_AT_ONCE, in_flight=2, name="books"
        )

    async def __aenter__(self) -> Self:
        await self._asked.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._asked.__aexit__(None, None, None)

    async def own_books(self, asker: Asker) -> Books:
        """As `books`; those who ask at the same time share a call."""
        found = await self._asked.submit(asker)
        return await self.books(asker.token) if found is None else found

    async def _together(self, askers: Sequence[Asker]) -> list[Books | None]:
        """None for whoever has to be asked for alone: an account that is not opened yet, or a large one."""
        owners = [
            books_pb2.AccountOwner(account_id=account_id, user_id=user_id)
            for account_id, user_id in {(each.account_id, each.user_id) for each in askers}
        ]
        try:
            answer = await self._many.ListFullBooks(books_pb2.ListFullBooksRequest(owners=owners))
        except HubError as error:
            if error.code != "not_implemented":  # by a position service of the release before
                raise
            return [None] * len(askers)
        found = {books.balance.account_id: mapping.read_books(books) for books in answer.books}
        return [found.get(each.account_id) for each in askers]

    async def books(self, token: str) -> Books:
        with calling_as(token):
            return mapping.read_books(await self._stub.GetBooks(position_pb2.GetBooksRequest()))


class PositionBooks:
    """What position tells this service, by its certificate, of whatever account it names."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = books_pb2_grpc.BooksServiceStub(channel)

    async def of_accounts(self, account_ids: Sequence[UUID]) -> Mapping[UUID, OpenBooks]:
        wanted = books_pb2.ListAccountBooksRequest(account_ids=map(str, account_ids))
        answer = await self._stub.ListAccountBooks(wanted)
        found = map(mapping.read_open_books, answer.books)
        return {books.account_id: books for books in found}


class PositionLedger:
    """Likewise."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = activities_pb2_grpc.ActivityServiceStub(channel)

    async def cut(self, account_id: UUID, after: int, until: datetime | None) -> Cut:
        wanted = activities_pb2.CutLedgerRequest(
            account_id=str(account_id), after=after, until=None if until is None else mapping.stamp(until)
        )
        return mapping_statements.read_cut(await self._stub.CutLedger(wanted))

    async def lines(self, account_id: UUID, after: int, through: int) -> Sequence[Line]:
        lines = list[Line]()
        wanted = activities_pb2.ListActivitiesBetweenRequest(
            account_id=str(account_id), after=after, through=through, limit=LINES_ON_A_PAGE
        )
        while True:
            page = (await self._stub.ListActivitiesBetween(wanted)).activities
            lines += map(mapping_statements.read_line, page)
            if len(page) < LINES_ON_A_PAGE:
                return lines
            wanted.after = page[-1].activity_id


class MarketBars:
    def __init__(self, channel: aio.Channel) -> None:
        self._stub = market_data_pb2_grpc.MarketDataServiceStub(channel)

    async def since(self, symbol: str, start: datetime, *, within_day: bool) -> Sequence[Bar]:
        timeframe = market_data_pb2.TIMEFRAME_5MIN if within_day else market_data_pb2.TIMEFRAME_1DAY
        wanted = market_data_pb2.ListBarsRequest(
            symbol=symbol,
            timeframe=timeframe,
            start=mapping.stamp(start),
            adjustment=market_data_pb2.ADJUSTMENT_ALL,
            page_size=BARS_ON_A_PAGE,
        )
        bars = list[Bar]()
        for _ in range(MOST_PAGES):
            answer = await self._stub.ListBars(wanted)
            bars += map(mapping.read_bar, answer.bars)
            wanted.page_token = answer.next_page_token
            if not wanted.page_token:
                break
        return bars

    async def last(self, symbol: str, day: date) -> Close | None:
        end = datetime.combine(day, time(), UTC) + timedelta(days=1)
        wanted = market_data_pb2.ListBarsRequest(
            symbol=symbol,
            timeframe=market_data_pb2.TIMEFRAME_1DAY,
            start=mapping.stamp(end - LOOK_BACK),
            end=mapping.stamp(end),
            adjustment=market_data_pb2.ADJUSTMENT_RAW,
        )
        try:
            bars = (await self._stub.ListBars(wanted)).bars
        except NotFound:
            return None
        if not bars:
            return None
        bar = mapping.read_bar(bars[-1])
        return Close(bar.close, bar.starts_at.date())


class Market:
    """The market's clock, and the session days of the calendar that closes the days of histories."""

    def __init__(self, cache: QuoteCache, calendar: str) -> None:
        self._cache = cache
        self._calendar = calendar

    def state(self) -> str:
        return self._cache.state()

    def time(self) -> datetime:
        """Raises Unavailable before anything was heard of it: by the wall's clock in its place, accounts of a
        market whose clock is behind would be valued in its future, and not again before that."""
        told = self._cache.told_time() if self._cache.loaded.is_set() else None
        if told is None:
            raise Unavailable("The market is not known yet.", code="market_data_unavailable")
        return told

    def session_days(self) -> Mapping[date, tuple[datetime, datetime]]:
        """From when to when, for the running day and the next ones."""
        days = dict[date, tuple[datetime, datetime]]()
        for session in self._cache.sessions_of(self._calendar):
            opens_at, closes_at = days.get(session.day, (session.opens_at, session.closes_at))
            days[session.day] = min(opens_at, session.opens_at), max(closes_at, session.closes_at)
        return days


class LivePrices:
    """Last prices from the live copy; what is not known there has no price."""

    def __init__(self, cache: QuoteCache, *, fresh_for_s: float) -> None:
        self._cache = cache
        self._fresh_for_s = fresh_for_s

    def mark(self, symbol: str) -> Mark:
        instrument, quote = self._cache.instrument(symbol), self._cache.quote(symbol)
        name = instrument.name if instrument else ""
        asset_class = instrument.asset_class if instrument else ""
        if quote is None or quote.last <= 0:
            return Mark(name=name, asset_class=asset_class)
        return Mark(
            name=name,
            asset_class=asset_class,
            price=quote.last,
            price_at=quote.received_at,
            fresh=self._cache.fresh(quote, self._fresh_for_s),
            previous_close=quote.previous_close if quote.previous_close > 0 else None,
            quoted_at=quote.market_time,
        )

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """Before the market was heard of, nobody can say."""
        found = [symbol for symbol in symbols if self._cache.instrument(symbol) is None]
        if found and not self._cache.loaded.is_set():
            raise Unavailable("The market is not known yet.", code="market_data_unavailable")
        return found
