"""Monthly statements: issued in their order, each going on where the one before ended, and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_errors import NotFound, Refused
from hub_errors.page_tokens import invalid_page_token
from hub_portfolio import mapping_statements as mapping
from hub_portfolio.clients import Accounts, BooksOfMany, Closes, Ledger, Prices
from hub_portfolio.domain.month import Month
from hub_portfolio.domain.statement import (
    Close,
    Cut,
    Issued,
    Line,
    Roll,
    State,
    Statement,
    content_hash,
)
from hub_portfolio.store import Statements
from hub_runtime import Clock, counter, get_logger

ISSUED = counter("hub_portfolio_statements_issued_total", "Monthly statements that were issued")

log = get_logger("statements")


@dataclass(frozen=True)
class Office:
    """What every statement needs."""

    store: Statements
    accounts: Accounts
    books: BooksOfMany
    ledger: Ledger
    closes: Closes
    prices: Prices
    clock: Clock


@dataclass(frozen=True)
class Caller:
    account_id: UUID
    token: str


@dataclass(frozen=True)
class Listed:
    """`more`: there are earlier ones."""

    months: Sequence[tuple[Month, Issued | None]]
    running: Month
    more: bool


@dataclass(frozen=True)
class Told:
    """A document, a page of its lines, and how many there are up to its end; a draft has no hash."""

    document: str
    content_hash: bytes
    lines: Sequence[str]
    until: int
    line_count: int


async def list_statements(office: Office, caller: Caller, *, before: Month | None, size: int) -> Listed:
    """Newest first, from the running month back to the one that the account was opened in."""
    running, opened = Month.of(office.clock()), await _opened(office, caller)
    if before is not None and not opened < before <= running:
        raise invalid_page_token()
    newest = running if before is None else before.before
    months = list[Month]()
    while newest >= opened and len(months) < size:
        months.append(newest)
        newest = newest.before
    issued = await office.store.between(caller.account_id, months[-1], months[0]) if months else {}
    return Listed([(month, issued.get(month)) for month in months], running, newest >= opened)


async def get_statement(office: Office, caller: Caller, month: Month, *, after: int, size: int) -> Told:
    """Those before it that are over are issued as well. What fails on the way leaves those that are done."""
    now = office.clock()
    running, account_id = Month.of(now), caller.account_id
    if month > running:
        raise Refused("That month has not begun.", code="month_not_begun", field="month")
    found = await office.store.one(account_id, month)
    if found is None:
        opened = await _opened(office, caller)
        if month < opened:
            raise NotFound("The account was opened later.", code="statement_not_found", field="month")
        last = await office.store.last(account_id)
        first = opened if last is None else last.month.next
        for each in first.through(min(month, running.before)):
            last = await _issue(office, account_id, each, last, now)
        if month == running:
            return await _draft(office, account_id, month, last, after=after, size=size)
        found = last if last is not None and last.month == month else None
    if found is None:
        raise AssertionError("a month that is over was not issued")
    _goes_on(after, found.line_count)
    lines = await office.store.lines(account_id, month, after=after, limit=size)
    return Told(found.document, found.content_hash, lines, after + len(lines), found.line_count)


def _goes_on(after: int, line_count: int) -> None:
    """A page that is not the first has a line."""
    if after and after >= line_count:
        raise invalid_page_token()


async def _opened(office: Office, caller: Caller) -> Month:
    """The account is opened on first touch; whose it is, the token says."""
    found = await office.books.of_accounts([caller.account_id])
    if caller.account_id not in found:
        await office.accounts.books(caller.token)
        found = await office.books.of_accounts([caller.account_id])
    if caller.account_id not in found:
        raise NotFound("There is no such account.", code="account_not_found")
    return Month.of(found[caller.account_id].opened_at)


async def _issue(
    office: Office, account_id: UUID, month: Month, before: Issued | None, now: datetime
) -> Issued:
    """Everything is asked for first, and written in one go: what fails leaves nothing."""
    made, lines = await _drawn_up(office, account_id, month, before, now=now, final=True)
    document, texts = mapping.text_of(mapping.statement(made)), [line.text for line in lines]
    new = Issued(
        month=month,
        issued_at=now,
        through=made.through,
        document=document,
        line_count=made.line_count,
        content_hash=content_hash(document, texts),
    )
    issued = await office.store.add(account_id, new, texts)
    if issued is new:
        ISSUED.inc()
        log.info("statement_issued", account_id=account_id, month=month.text, lines=len(texts))
    return issued


async def _draft(
    office: Office, account_id: UUID, month: Month, before: Issued | None, *, after: int, size: int
) -> Told:
    made, lines = await _drawn_up(office, account_id, month, before, now=office.clock(), final=False)
    _goes_on(after, made.line_count)
    texts = [line.text for line in lines[after : after + size]]
    document = mapping.text_of(mapping.statement(made))
    return Told(document, b"", texts, after + len(texts), made.line_count)


async def _drawn_up(
    office: Office, account_id: UUID, month: Month, before: Issued | None, *, now: datetime, final: bool
) -> tuple[Statement, Sequence[Line]]:
    opening = State() if before is None else mapping.closing_of(before.document)
    after = 0 if before is None else before.through
    cut = await office.ledger.cut(account_id, after, month.ends_at if final else None)
    lines = await office.ledger.lines(account_id, after, cut.through)
    roll = Roll(opening)
    roll.take(line.happened for line in lines)
    roll.check(cut.closing)
    closes = await _closes(office, cut, month) if final else _marks(office, cut)
    valuations = await office.store.valuations(account_id, month)
    made = Statement(
        account_id=account_id,
        month=month,
        final=final,
        currency=cut.currency,
        issued_at=now,
        opening=opening,
        closing=cut.closing.priced(closes),
        sums=roll.sums,
        result=valuations.result(month),
        line_count=len(lines),
        through=cut.through,
    )
    return made, lines


async def _closes(office: Office, cut: Cut, month: Month) -> dict[str, Close]:
    """Of the month's last trading day, for shares of the closing: a split may have been applied after its
    day, or before it. An instrument that is gone has none."""
    closes = dict[str, Close]()
    for each in cut.closing.positions:
        close = await office.closes.last(each.symbol, month.last_day)
        if close is not None:
            closes[each.symbol] = close.for_shares_of(cut.splits.get(each.symbol, ()))
    return closes


def _marks(office: Office, cut: Cut) -> dict[str, Close]:
    """Last prices, likewise."""
    symbols = [each.symbol for each in cut.closing.positions]
    prices = {
        symbol: office.prices.mark(symbol).for_shares_of(cut.splits.get(symbol, ())) for symbol in symbols
    }
    return {symbol: Close(price, None) for symbol, price in prices.items() if price is not None}
