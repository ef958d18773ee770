"""Domain values <-> protobuf messages. What cannot be read is Invalid, and names the field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_events import POSITIONS, OutboxRow, Payload, UnknownEvent, envelope
from hub_money import parse_decimal, to_text
from hub_position.domain.account import Account, AccountState, AccountStatus, Balance, TradingState
from hub_position.domain.batch import Ending, PositionChange, Replacement
from hub_position.domain.hold import Terms, UnconfirmedHold
from hub_position.domain.ledger import LedgerPage, PostedLine
from hub_position.domain.placing import HUNDRED, HoldAnswer, HoldRequest
from hub_position.domain.position import Position
from hub_position.domain.trade import Side, Trade
from hub_postgres import Uuid
from hub_runtime import since_epoch, utc_time

SIDES = {order_pb2.SIDE_BUY: Side.BUY, order_pb2.SIDE_SELL: Side.SELL}
WIRE_SIDES = {side: number for number, side in SIDES.items()}
ZERO = Decimal(0)
Word = TypeVar("Word", bound=StrEnum)


def read_uuid(text: str, field: str) -> UUID:
    try:
        return Uuid(text)
    except ValueError:
        raise Invalid(f"{field} must be a UUID.", code="invalid_id", field=field) from None


def read_time(stamp: Timestamp, field: str) -> datetime:
    if not stamp.seconds:
        raise Invalid(f"{field} is missing.", code="missing", field=field)
    return utc_time(stamp.seconds, stamp.nanos)


def read_side(side: order_pb2.Side.ValueType) -> Side:
    """A side of a newer release is not wrong, only not known here yet."""
    known = SIDES.get(side)
    if known is not None:
        return known
    if side not in order_pb2.Side.values():
        raise UnknownEvent(f"this release does not know side {side}")
    raise Invalid("side must be BUY or SELL.", code="invalid_side", field="side")


def read_hold_request(message: position_pb2.HoldRequest) -> HoldRequest:
    side = read_side(message.side)
    if side is Side.SELL and message.unit_price:
        raise Invalid("A SELL has no unit price.", code="unit_price_on_sell", field="unit_price")
    if not 1 <= len(message.symbol) <= 32:
        raise Invalid("symbol must have 1 to 32 characters.", code="invalid_symbol", field="symbol")
    if len(message.idempotency_key) > 255:
        raise Invalid("idempotency_key is too long.", code="too_long", field="idempotency_key")
    percentage = _percentage(message, side)
    unit_price = parse_decimal(message.unit_price, field="unit_price") if side is Side.BUY else ZERO
    if message.by_value and unit_price != 1:
        raise Invalid("By value is for a BUY at a unit price of 1.", code="not_by_value", field="by_value")
    return HoldRequest(
        hold_id=read_uuid(message.hold_id, "hold_id"),
        order_id=read_uuid(message.order_id, "order_id"),
        account_id=read_uuid(message.account_id, "account_id"),
        user_id=read_uuid(message.user_id, "user_id"),
        side=side,
        symbol=message.symbol,
        quantity=ZERO if percentage is not None else parse_decimal(message.quantity, field="quantity"),
        unit_price=unit_price,
        idempotency_key=message.idempotency_key,
        percentage=percentage,
        lot_size=parse_decimal(message.lot_size, field="lot_size") if message.lot_size else None,
        by_value=message.by_value,
        replaced_hold_id=(
            read_uuid(message.replaced_hold_id, "replaced_hold_id") if message.replaced_hold_id else None
        ),
        replaced_filled_quantity=_optional(message.replaced_filled_quantity, "replaced_filled_quantity"),
        replaced_may_fill=message.replaced_may_fill,
        most_position=_optional(message.most_position, "most_position"),
    )


def _percentage(message: position_pb2.HoldRequest, side: Side) -> Decimal | None:
    if not message.percentage:
        return None
    if side is Side.BUY or message.quantity or message.replaced_hold_id:
        raise Invalid(
            "A percentage is for a SELL, instead of a quantity.",
            code="percentage_not_allowed",
            field="percentage",
        )
    percentage = parse_decimal(message.percentage, field="percentage")
    if percentage > HUNDRED:
        raise Invalid("percentage must be at most 100.", code="too_large", field="percentage")
    return percentage


def _optional(text: str, field: str) -> Decimal | None:
    """Zero is a number here."""
    if not text:
        return None
    value = parse_decimal(text, field=field, positive=False)
    if value < 0:
        raise Invalid(f"{field} must not be negative.", code="negative", field=field)
    return value


def read_hold_price(message: position_pb2.HoldPrice) -> tuple[UUID, Decimal]:
    return read_uuid(message.hold_id, "hold_id"), parse_decimal(message.unit_price, field="unit_price")


def hold_result(answer: HoldAnswer) -> position_pb2.HoldResult:
    return position_pb2.HoldResult(
        hold_id=str(answer.hold_id),
        granted=answer.granted,
        standing_hold_id="" if answer.standing_hold_id is None else str(answer.standing_hold_id),
        code=answer.code,
        available="" if answer.available is None else to_text(answer.available),
        required="" if answer.required is None else to_text(answer.required),
        quantity="" if answer.quantity is None else to_text(answer.quantity),
        unit_price="" if answer.unit_price is None else to_text(answer.unit_price),
    )


def unconfirmed_hold(found: UnconfirmedHold) -> position_pb2.UnconfirmedHold:
    return position_pb2.UnconfirmedHold(
        hold_id=str(found.hold.hold_id),
        order_id=str(found.hold.order_id),
        account_id=str(found.hold.account_id),
        user_id=str(found.user_id),
        side=WIRE_SIDES[found.hold.side],
        symbol=found.hold.symbol,
        quantity=to_text(found.hold.quantity),
    )


def balance(found: Balance) -> position_pb2.GetBalanceResponse:
    account = found.account
    return position_pb2.GetBalanceResponse(
        account_id=str(account.account_id),
        currency=account.currency,
        status=account.status.value,
        cash=to_text(account.cash),
        settled=to_text(account.settled),
        unsettled=to_text(account.unsettled),
        held=to_text(account.held),
        buying_power=to_text(account.buying_power),
        withdrawable=to_text(found.withdrawable),
    )


def account_state(found: AccountState) -> position_pb2.AccountState:
    return position_pb2.AccountState(
        account_id=str(found.account.account_id),
        user_id=str(found.account.user_id),
        status=found.account.status.value,
        trading_state=found.account.trading_state.value,
        reason=found.reason,
        actor=found.actor,
        changed_at=None if found.changed_at is None else _stamp(found.changed_at),
    )


def read_status(text: str) -> AccountStatus | None:
    return _word(AccountStatus, text, "status")


def read_trading_state(text: str) -> TradingState | None:
    return _word(TradingState, text, "trading_state")


def _word(kind: type[Word], text: str, field: str) -> Word | None:
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(kind)
        raise Invalid(f"{field} must be one of {words}.", code="invalid_state", field=field) from None


def position(found: Position) -> position_pb2.Position:
    average = found.average_price
    return position_pb2.Position(
        position_id=str(found.position_id),
        symbol=found.symbol,
        quantity=to_text(found.holding.quantity),
        held=to_text(found.held),
        total_cost=to_text(found.holding.total_cost),
        average_price="" if average is None else to_text(average),
        realised_pnl=to_text(found.holding.realised_pnl),
        fees=to_text(found.holding.fees),
        status=found.holding.status.value,
        opened_at=_stamp(found.opened_at),
        updated_at=_stamp(found.updated_at),
        version=found.version,
    )


def posting(line: PostedLine) -> position_pb2.Posting:
    posting = line.posting
    return position_pb2.Posting(
        posting_id=line.posting_id,
        transaction_id=str(posting.transaction_id),
        kind=posting.kind.value,
        ledger_account=posting.ledger_account.value,
        amount=to_text(posting.amount),
        symbol=posting.symbol,
        trade_id="" if posting.trade_id is None else str(posting.trade_id),
        posted_at=_stamp(line.posted_at),
    )


def ledger_page(page: LedgerPage, page_size: int) -> position_pb2.ListPostingsResponse:
    """`page` has one line more than the page where another page follows."""
    shown = page.lines[:page_size]
    return position_pb2.ListPostingsResponse(
        totals=[
            position_pb2.LedgerTotal(ledger_account=name.value, amount=to_text(amount))
            for name, amount in page.totals.items()
        ],
        postings=[posting(line) for line in shown],
        next_page_token=str(shown[-1].posting_id) if len(page.lines) > page_size else "",
    )


def read_trade(event: event_pb2.OrderExecuted, settles_on: Callable[[str, datetime], date]) -> Trade:
    """`settles_on` answers for a symbol and the market time of its trade. Fees come with the first venue that
    has any."""
    order, execution = event.order, event.execution
    executed_at = read_time(execution.executed_at, "execution.executed_at")
    has_market_time = event.HasField("market_time")
    market_time = read_time(event.market_time, "market_time") if has_market_time else executed_at
    return Trade(
        trade_id=read_uuid(execution.execution_id, "execution.execution_id"),
        account_id=read_uuid(order.account_id, "order.account_id"),
        order_id=read_uuid(order.order_id, "order.order_id"),
        hold_id=read_uuid(event.hold_id, "hold_id"),
        symbol=order.symbol,
        side=read_side(order.side),
        quantity=parse_decimal(execution.quantity, field="execution.quantity"),
        price=parse_decimal(execution.price, field="execution.price"),
        fee=ZERO,
        executed_at=executed_at,
        market_time=market_time,
        settles_on=settles_on(order.symbol, market_time),
    )


def read_ending(event: event_pb2.OrderClosed | event_pb2.OrderReplaced | event_pb2.OrderExecuted) -> Ending:
    """How the order ended, and after how many executions."""
    order = event.order
    return Ending(
        hold=_terms(order, event.hold_id, "hold_id", order.limit_price or order.protection_price),
        final_quantity=_number(order.filled_quantity, "filled_quantity"),
        final_count=event.execution_count,
    )


def read_replacement(event: event_pb2.OrderReplaced) -> Replacement:
    successor = _terms(event.new_order, event.new_hold_id, "new_hold_id", event.new_unit_price)
    return Replacement(read_ending(event), successor)


def _terms(order: order_pb2.Order, hold_id: str, field: str, unit_price: str) -> Terms:
    """What an order's hold is for, as it was asked for when the order was accepted."""
    side = read_side(order.side)
    by_value = side is Side.BUY and bool(order.notional)
    if by_value or side is Side.SELL:
        unit_price = "1" if by_value else "0"
    return Terms(
        hold_id=read_uuid(hold_id, field),
        order_id=read_uuid(order.order_id, "order.order_id"),
        account_id=read_uuid(order.account_id, "order.account_id"),
        side=side,
        symbol=order.symbol,
        quantity=_number(order.notional if by_value else order.quantity, "order.quantity"),
        unit_price=_number(unit_price, "unit_price"),
        by_value=by_value,
    )


def _number(text: str, field: str) -> Decimal:
    return parse_decimal(text or "0", field=field, positive=False)


def position_changed(change: PositionChange, traceparent: str | None) -> OutboxRow:
    position = change.position
    payload = event_pb2.PositionChanged(
        kind=change.kind.value,
        position_id=str(position.position_id),
        symbol=position.symbol,
        quantity=to_text(position.holding.quantity),
        total_cost=to_text(position.holding.total_cost),
        realised_pnl=to_text(position.holding.realised_pnl),
        version=position.version,
        trade_id="" if change.trade_id is None else str(change.trade_id),
    )
    return _told("position.changed", position.position_id, position.account_id, payload, traceparent)


def account_changed(account: Account, traceparent: str | None) -> OutboxRow:
    payload = event_pb2.AccountChanged(
        cash=to_text(account.cash),
        held=to_text(account.held),
        buying_power=to_text(account.buying_power),
        version=account.version,
        status=account.status.value,
        trading_state=account.trading_state.value,
    )
    return _told("account.changed", account.account_id, account.account_id, payload, traceparent)


def _told(name: str, aggregate: UUID, account: UUID, payload: Payload, traceparent: str | None) -> OutboxRow:
    """For everybody who listens; without a trace of its own it goes on in the current one."""
    event = envelope(name, str(aggregate), str(account), payload, traceparent=traceparent)
    return OutboxRow(POSITIONS.status, "", event)


def _stamp(moment: datetime) -> Timestamp:
    seconds, nanoseconds = since_epoch(moment)
    return Timestamp(seconds=seconds, nanos=nanoseconds)
