"""Accounts, positions and the ledger <-> messages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_errors.page_tokens import invalid_page_token, page_number, page_place, page_token
from hub_money import parse_decimal, to_text
from hub_position.domain.account import AccountState, AccountStatus, Balance, TradingState
from hub_position.domain.cash import Movement
from hub_position.domain.ledger import LedgerPage, PostedLine
from hub_position.domain.position import Position
from hub_position.mapping.values import timestamp
from hub_postgres import Uuid

# Money comes and goes in whole cents.
CASH_PLACES = 2
LONGEST_KEY = 255
LAST_POSTING = 2**63 - 1
LAST_MOVEMENT = UUID(int=2**128 - 1)
# What page tokens begin with.
POSTINGS = "posting"
TRANSFERS = "transfer"
Word = TypeVar("Word", bound=StrEnum)


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
        trading_state=account.trading_state.value,
    )


def books(found: Balance, positions: Sequence[Position]) -> position_pb2.GetBooksResponse:
    return position_pb2.GetBooksResponse(balance=balance(found), positions=map(position, positions))


def account_state(found: AccountState) -> position_pb2.AccountState:
    return position_pb2.AccountState(
        account_id=str(found.account.account_id),
        user_id=str(found.account.user_id),
        status=found.account.status.value,
        trading_state=found.account.trading_state.value,
        reason=found.reason,
        actor=found.actor,
        changed_at=None if found.changed_at is None else timestamp(found.changed_at),
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
        opened_at=timestamp(found.opened_at),
        updated_at=timestamp(found.updated_at),
        version=found.version,
        split_at=None if found.split_at is None else timestamp(found.split_at),
        split_ratio="" if found.split_ratio is None else to_text(found.split_ratio),
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
        posted_at=timestamp(line.posted_at),
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
        next_page_token=page_token(POSTINGS, shown[-1].posting_id) if len(page.lines) > page_size else "",
    )


def read_before(request: position_pb2.ListPostingsRequest) -> int:
    """The posting that a page comes before."""
    following = page_number(POSTINGS, request.page_token, most=LAST_POSTING) or LAST_POSTING
    return min(following, request.before) if request.HasField("before") else following


def read_cash(text: str, *, signed: bool = False) -> Decimal:
    """Whole cents, not zero; above it unless it may have either sign."""
    amount = parse_decimal(text, field="amount", positive=not signed, places=CASH_PLACES)
    if not amount:
        raise Invalid("amount must not be zero.", code="zero", field="amount")
    return amount


def read_key(text: str) -> str:
    if len(text) > LONGEST_KEY:
        raise Invalid("idempotency_key is too long.", code="too_long", field="idempotency_key")
    return text


def movement(found: Movement) -> position_pb2.CashMovement:
    return position_pb2.CashMovement(
        movement_id=str(found.movement_id),
        kind=found.kind.value,
        amount=to_text(found.amount),
        reason=found.reason,
        moved_at=timestamp(found.moved_at),
    )


def read_movement_token(token: str) -> UUID:
    """The movement that a page comes before."""
    place = page_place(TRANSFERS, token)
    try:
        found = Uuid(place) if place else LAST_MOVEMENT
    except ValueError:
        raise invalid_page_token() from None
    if place and place != str(found):
        raise invalid_page_token()
    return found


def movements_page(found: Sequence[Movement], page_size: int) -> position_pb2.ListCashMovementsResponse:
    """`found` has one more than the page where another page follows."""
    shown = found[:page_size]
    return position_pb2.ListCashMovementsResponse(
        movements=[movement(each) for each in shown],
        next_page_token=page_token(TRANSFERS, shown[-1].movement_id) if len(found) > page_size else "",
    )
