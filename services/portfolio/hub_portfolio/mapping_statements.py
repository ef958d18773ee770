"""Statements and what they are made of <-> messages, and the texts that statements are kept as."""

from __future__ import annotations

import json
from datetime import UTC, date
from decimal import Decimal
from typing import Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from hub.order.v1 import order_pb2
from hub.portfolio.v1 import statements_pb2
from hub.position.v1 import activities_pb2
from hub_errors import Invalid
from hub_errors.page_tokens import invalid_page_token, page_number, page_place, page_token
from hub_money import to_text
from hub_portfolio.domain.mark import KnownSplit
from hub_portfolio.domain.month import Month
from hub_portfolio.domain.statement import (
    Close,
    Cut,
    Happened,
    Held,
    Issued,
    Line,
    State,
    Statement,
    Sums,
)
from hub_portfolio.mapping import stamp

# Others may tell of an execution as well, such as its settlement.
FILL: Final = "fill"
MONTHS: Final = "month"  # what a page token begins with
MOST_LINES: Final = 2**31 - 1

M = TypeVar("M", bound=Message)


def line_token(month: Month, number: int) -> str:
    return page_token(_lines_of(month), number)


def read_line_number(month: Month, token: str) -> int:
    """The line that a page comes after."""
    return page_number(_lines_of(month), token, most=MOST_LINES) or 0


def _lines_of(month: Month) -> str:
    return f"line-{month.text}"


def month_token(month: Month) -> str:
    return page_token(MONTHS, month.text)


def read_month_token(token: str) -> Month | None:
    """The month that a page comes before."""
    place = page_place(MONTHS, token)
    try:
        return Month.read(place) if place else None
    except Invalid:
        raise invalid_page_token() from None


def read_cut(message: activities_pb2.CutLedgerResponse) -> Cut:
    positions = [
        Held(each.symbol, Decimal(each.quantity), Decimal(each.total_cost)) for each in message.positions
    ]
    return Cut(
        currency=message.currency,
        opened_at=message.opened_at.ToDatetime(tzinfo=UTC),
        through=message.through,
        closing=State(Decimal(message.settled), Decimal(message.unsettled), positions),
        splits={each.symbol: list(map(_read_split, each.splits)) for each in message.positions},
    )


def _read_split(message: activities_pb2.CutSplit) -> KnownSplit:
    effective_at = message.effective_at.ToDatetime(tzinfo=UTC)
    return KnownSplit(effective_at, Decimal(message.ratio), message.included)


def read_line(message: activities_pb2.Activity) -> Line:
    happened = Happened(
        type=message.type,
        symbol=message.symbol,
        net_amount=Decimal(message.net_amount),
        settled=Decimal(message.settled),
        cost=Decimal(message.cost),
        realised=Decimal(message.realised_pnl),
        fee=Decimal(message.fee),
        shares=_shares(message),
    )
    return Line(happened, text_of(message))


def _shares(message: activities_pb2.Activity) -> Decimal:
    """Of an execution, and what splits made of the position's."""
    made = Decimal(message.quantity_after or 0) - Decimal(message.quantity_before or 0)
    if message.type != FILL:
        return made
    traded = Decimal(message.fill.quantity)
    return made + (traded if message.fill.side == order_pb2.SIDE_BUY else -traded)


def text_of(message: Message) -> str:
    """One line of JSON, the same for the same message."""
    document = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def activity_of(text: str) -> activities_pb2.Activity:
    return _parsed(text, activities_pb2.Activity())


def statement_of(text: str) -> statements_pb2.Statement:
    return _parsed(text, statements_pb2.Statement())


def _parsed(text: str, message: M) -> M:
    """A release that is older than the text passes over what it does not know."""
    return json_format.Parse(text, message, ignore_unknown_fields=True)


def closing_of(text: str) -> State:
    """Where the statement ends, and the next one goes on."""
    message = statement_of(text)
    cash = message.closing_cash
    positions = [_read_position(each) for each in message.closing_positions]
    return State(Decimal(cash.settled), Decimal(cash.unsettled), positions)


def _read_position(message: statements_pb2.StatementPosition) -> Held:
    close = None
    if message.price:
        day = date.fromisoformat(message.price_day) if message.price_day else None
        close = Close(Decimal(message.price), day)
    return Held(message.symbol, Decimal(message.quantity), Decimal(message.total_cost), close)


def statement(found: Statement) -> statements_pb2.Statement:
    result = found.result
    return statements_pb2.Statement(
        month=found.month.text,
        final=found.final,
        account_id=str(found.account_id),
        currency=found.currency,
        starts_at=stamp(found.month.starts_at),
        ends_at=stamp(found.month.ends_at),
        issued_at=stamp(found.issued_at),
        opening_cash=_cash(found.opening),
        closing_cash=_cash(found.closing),
        opening_positions=[_position(each) for each in found.opening.positions],
        closing_positions=[_position(each) for each in found.closing.positions],
        sums=_sums(found.sums, found.closing.cost - found.opening.cost),
        opening_value=to_text(found.opening.value),
        closing_value=to_text(found.closing.value),
        return_percent="" if result is None else f"{result.percent:.2f}",
        return_from="" if result is None else result.start.isoformat(),
        return_until="" if result is None else result.end.isoformat(),
        line_count=found.line_count,
        through=found.through,
    )


def statement_month(month: Month, issued: Issued | None, *, final: bool) -> statements_pb2.StatementMonth:
    return statements_pb2.StatementMonth(
        month=month.text,
        final=final,
        issued_at=None if issued is None else stamp(issued.issued_at),
        content_hash="" if issued is None else issued.content_hash.hex(),
    )


def _cash(state: State) -> statements_pb2.StatementCash:
    return statements_pb2.StatementCash(
        settled=to_text(state.settled), unsettled=to_text(state.unsettled), total=to_text(state.cash)
    )


def _position(held: Held) -> statements_pb2.StatementPosition:
    value, close = held.market_value, held.close
    return statements_pb2.StatementPosition(
        symbol=held.symbol,
        quantity=to_text(held.quantity),
        total_cost=to_text(held.total_cost),
        price="" if close is None else to_text(close.price),
        price_day="" if close is None or close.day is None else close.day.isoformat(),
        market_value="" if value is None else to_text(value),
    )


def _sums(sums: Sums, cost_change: Decimal) -> statements_pb2.StatementSums:
    return statements_pb2.StatementSums(
        deposits=to_text(sums.of("deposit")),
        withdrawals=to_text(sums.of("withdrawal")),
        adjustments=to_text(sums.of("adjustment")),
        trades=to_text(sums.of("fill")),
        dividends=to_text(sums.of("dividend")),
        other=to_text(sums.other),
        net_change=to_text(sums.net_change),
        fees=to_text(sums.fees),
        realised_pnl=to_text(sums.realised),
        realised_net=to_text(sums.realised - sums.fees),
        cost_change=to_text(cost_change),
    )
