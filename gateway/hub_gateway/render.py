"""Protobuf to the documents of the public interface. Decimals stay strings; what is not there is null."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from google.protobuf.timestamp_pb2 import Timestamp

from hub.auth.v1 import auth_pb2
from hub.market_data.v1 import market_data_pb2
from hub.position.v1 import position_pb2
from hub_gateway.types.auth import Login, Role, Tokens, User
from hub_gateway.types.bars import ActionStatus, Bar, CorporateAction
from hub_gateway.types.calendars import Clock, Session
from hub_gateway.types.market_data import AssetClass, Instrument, InstrumentDetails, Quote
from hub_gateway.types.portfolio import Balance, Posting
from hub_runtime.clock import utc_text

_CLASS = {
    number: cast(AssetClass, name.removeprefix("ASSET_CLASS_"))
    for name, number in market_data_pb2.AssetClass.items()
}


def when(at: Timestamp) -> str | None:
    """RFC 3339 in UTC, microseconds."""
    if not at.seconds and not at.nanos:
        return None
    return utc_text(at.seconds, at.nanos)


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, microseconds."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def user(message: auth_pb2.User) -> User:
    return User(
        user_id=message.user_id,
        account_id=message.account_id,
        email=message.email,
        name=message.name,
        roles=[cast(Role, role) for role in message.roles],
        created_at=when(message.created_at),
    )


def tokens(message: auth_pb2.Tokens) -> Tokens:
    return Tokens(
        access_token=message.access_token,
        refresh_token=message.refresh_token,
        token_type="Bearer",  # noqa: S106 - a scheme, no secret
        expires_in=message.expires_in,
    )


def login(message: auth_pb2.LoginResponse) -> Login:
    opened = tokens(message.tokens)
    return Login(
        access_token=opened.access_token,
        refresh_token=opened.refresh_token,
        token_type=opened.token_type,
        expires_in=opened.expires_in,
        user=user(message.user),
    )


def instrument(message: market_data_pb2.Instrument) -> Instrument:
    return Instrument(
        symbol=message.symbol,
        name=message.name,
        asset_class=_CLASS[message.asset_class],
        exchange=message.exchange,
        currency=message.currency,
        tick_size=message.tick_size,
        lot_size=message.lot_size,
        min_quantity=message.min_quantity,
        max_quantity=message.max_quantity,
        fractionable=message.fractionable,
        tradable=message.tradable,
        shortable=message.shortable,
        halted=message.halted,
        halt_reason=message.halt_reason or None,
        calendar=message.calendar,
        settlement_calendar=message.settlement_calendar or None,
        sector=message.sector or None,
        description=message.description or None,
    )


def quote(message: market_data_pb2.Quote) -> Quote:
    return Quote(
        symbol=message.symbol,
        epoch=message.epoch,
        seq=message.seq,
        bid=message.bid,
        bid_size=message.bid_size,
        ask=message.ask,
        ask_size=message.ask_size,
        last=message.last,
        open=message.open,
        high=message.high,
        low=message.low,
        previous_close=message.previous_close,
        volume=message.volume,
        market_time=when(message.market_time),
        received_at=when(message.received_at),
    )


def balance(message: position_pb2.GetBalanceResponse) -> Balance:
    return Balance(
        account_id=message.account_id,
        currency=message.currency,
        status=message.status,
        trading_state=message.trading_state or None,
        cash=message.cash,
        settled=message.settled,
        unsettled=message.unsettled,
        held=message.held,
        buying_power=message.buying_power,
        withdrawable=message.withdrawable,
    )


def posting(message: position_pb2.Posting) -> Posting:
    return Posting(
        posting_id=message.posting_id,
        transaction_id=message.transaction_id,
        kind=message.kind,
        ledger_account=message.ledger_account,
        amount=message.amount,
        symbol=message.symbol or None,
        trade_id=message.trade_id or None,
        posted_at=when(message.posted_at),
    )


def instrument_details(message: market_data_pb2.GetInstrumentResponse) -> InstrumentDetails:
    return InstrumentDetails(
        instrument=instrument(message.instrument),
        high_52_weeks=message.high_52_weeks or None,
        low_52_weeks=message.low_52_weeks or None,
        average_volume=message.average_volume or None,
        dividends_52_weeks=message.dividends_52_weeks or None,
        previous_close=message.previous_close or None,
    )


def clock(message: market_data_pb2.GetClockResponse) -> Clock:
    return Clock(
        calendar=message.calendar,
        timezone=message.timezone,
        market_time=when(message.market_time),
        is_open=message.is_open,
        next_open=when(message.next_open),
        next_close=when(message.next_close),
    )


def session(message: market_data_pb2.Session) -> Session:
    return Session(day=message.day, opens_at=when(message.opens_at), closes_at=when(message.closes_at))


def bar(message: market_data_pb2.Bar) -> Bar:
    return Bar(
        starts_at=when(message.starts_at),
        open=message.open,
        high=message.high,
        low=message.low,
        close=message.close,
        volume=message.volume,
    )


_ACTION_STATUSES: Final[Mapping[int, ActionStatus]] = {
    market_data_pb2.CORPORATE_ACTION_STATUS_ANNOUNCED: "ANNOUNCED",
    market_data_pb2.CORPORATE_ACTION_STATUS_EFFECTIVE: "EFFECTIVE",
    market_data_pb2.CORPORATE_ACTION_STATUS_APPLIED: "APPLIED",
}


def corporate_action(message: market_data_pb2.CorporateAction) -> CorporateAction:
    split = message.type == market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT
    return CorporateAction(
        symbol=message.symbol,
        type="SPLIT" if split else "DIVIDEND",
        ex_date=message.ex_date,
        ratio=message.ratio or None,
        amount=message.amount or None,
        currency=message.currency or None,
        status=_ACTION_STATUSES.get(message.status, "HISTORY"),
    )
