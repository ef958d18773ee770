"""/deposits, /withdrawals, /transfers: cash that comes and goes. position decides, on the locked row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, cast

from hub.position.v1 import position_pb2
from hub_gateway import codes, render
from hub_gateway.admin import ADMIN_TIME_S
from hub_gateway.admin_accounts import REASON, Reason, read_reason
from hub_gateway.codec import Body, Schema, decimal
from hub_gateway.codes import Problems
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.limits import Rule
from hub_gateway.new_orders import IDEMPOTENCY_KEY, idempotency_key
from hub_gateway.operation import PAGES, Access, Operation, Resource
from hub_gateway.pages import page
from hub_gateway.path_ids import account_id
from hub_gateway.peers import Peers
from hub_gateway.problems import Header
from hub_gateway.types.common import described
from hub_gateway.types.transfers import Cash, SignedCash, Transfer, TransferKind, Transfers
from hub_money import to_text
from hub_rpc import calling_as


class NewTransfer(Body, frozen=True):
    """What is paid in or out."""

    amount: Cash


class NewAdjustment(Body, frozen=True):
    """A correction of an account's cash."""

    amount: Annotated[SignedCash, described("What is added to the account's cash.")]
    reason: Reason


CENTS: Final = 2  # places: cash comes and goes in whole cents
_TRANSFER: Final[Schema[NewTransfer]] = Schema(NewTransfer)
_ADJUSTMENT: Final[Schema[NewAdjustment]] = Schema(NewAdjustment)
KEY: Final = replace(
    IDEMPOTENCY_KEY,
    description="Your name for the request. For ever, the same request under it gets the first answer again.",
)
REPLAYED: Final = {"Idempotency-Replayed": "true, where this is the first answer once more."}
MOVING: Final[Problems] = codes.together(
    codes.NUMBERS,
    {
        400: ("invalid_idempotency_key",),
        404: ("account_not_found",),
        409: ("idempotency_key_reused",),
        422: ("balance_too_large",),
    },
)
DEPOSITING: Final[Problems] = {422: ("deposit_too_large", "account_closed")}
WITHDRAWING: Final[Problems] = {422: ("insufficient_withdrawable", "account_halted", "account_restricted")}
REPEATABLE: Final = "With an Idempotency-Key it may be sent again for ever: it is carried out once."


class CashTransfers:
    def __init__(self, *, peers: Peers, gate: Gate, pace: Rule) -> None:
        self._position = peers.position
        self._gate = gate
        self._pace = pace

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/deposits", POST=self._deposit()),
            Resource("/api/v1/withdrawals", POST=self._withdraw()),
            Resource("/api/v1/transfers", GET=self._list()),
            Resource("/api/v1/admin/accounts/{account_id}/adjustments", POST=self._adjust()),
        ]

    def _deposit(self) -> Operation:
        return Operation(
            handler=self.deposit,
            summary="Pay cash in",
            tag="portfolio",
            description=f"It can be spent and withdrawn at once. {REPEATABLE}",
            body=NewTransfer,
            examples={"cash": {"amount": "250.00"}},
            headers=(KEY,),
            answers={201: Transfer},
            answer_headers=REPLAYED,
            problems=codes.together(MOVING, DEPOSITING),
        )

    def _withdraw(self) -> Operation:
        return Operation(
            handler=self.withdraw,
            summary="Take cash out",
            tag="portfolio",
            description="Never more than `withdrawable` of /balance: proceeds of sales have to settle first, "
            f"payments count at once, and what open orders hold stays. {REPEATABLE}",
            body=NewTransfer,
            examples={"cash": {"amount": "250.00"}},
            headers=(KEY,),
            answers={201: Transfer},
            answer_headers=REPLAYED,
            problems=codes.together(MOVING, WITHDRAWING),
        )

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="Your deposits, withdrawals and adjustments, newest first",
            tag="portfolio",
            description="The deposit that an account is opened with is not among them: /activities, "
            "/ledger and /statements have it.",
            query=PAGES,
            answers={200: Transfers},
        )

    def _adjust(self) -> Operation:
        return Operation(
            handler=self.adjust,
            summary="Correct an account's cash",
            tag="admin",
            description="It may leave less than is held or owed; then the account may only close positions. "
            f"{REPEATABLE}",
            access=Access.ADMIN,
            body=NewAdjustment,
            examples={"goodwill": {"amount": "25", "reason": "the outage of Monday"}},
            headers=(KEY,),
            answers={201: Transfer},
            answer_headers=REPLAYED,
            problems=codes.together(MOVING, {400: ("zero", *REASON)}),
        )

    async def deposit(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        amount, key = await _amount(request), idempotency_key(request.header("idempotency-key"))
        wanted = position_pb2.DepositRequest(amount=amount, idempotency_key=key)
        with calling_as(caller.token):
            done = await self._position.Deposit(wanted)
        return _made(done.movement, replayed=done.replayed)

    async def withdraw(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        amount, key = await _amount(request), idempotency_key(request.header("idempotency-key"))
        wanted = position_pb2.WithdrawRequest(amount=amount, idempotency_key=key)
        with calling_as(caller.token):
            done = await self._position.Withdraw(wanted)
        return _made(done.movement, replayed=done.replayed)

    async def list(self, request: Request) -> Response:
        size, token = page(request.query("page_size", "page_token"))
        caller = await self._gate.user(request)
        wanted = position_pb2.ListCashMovementsRequest(page_size=size, page_token=token)
        with calling_as(caller.token):
            found = await self._position.ListCashMovements(wanted)
        transfers = [_transfer(movement) for movement in found.movements]
        return answer(Transfers(transfers=transfers, next_page_token=found.next_page_token or None))

    async def adjust(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _ADJUSTMENT.read(await request.json())
        wanted = position_pb2.AdjustCashRequest(
            account_id=account_id(request),
            amount=to_text(decimal(body.amount, field="amount", positive=False, places=CENTS)),
            reason=read_reason(body.reason),
            idempotency_key=idempotency_key(request.header("idempotency-key")),
        )
        with calling_as(caller.token):
            done = await self._position.AdjustCash(wanted, timeout=ADMIN_TIME_S)
        return _made(done.movement, replayed=done.replayed)


async def _amount(request: Request) -> str:
    return to_text(decimal(_TRANSFER.read(await request.json()).amount, field="amount", places=CENTS))


def _made(movement: position_pb2.CashMovement, *, replayed: bool) -> Response:
    headers: Sequence[Header] = [(b"idempotency-replayed", b"true")] if replayed else []
    return answer(_transfer(movement), status=201, headers=headers)


def _transfer(message: position_pb2.CashMovement) -> Transfer:
    return Transfer(
        transfer_id=message.movement_id,
        kind=cast(TransferKind, message.kind),
        amount=message.amount,
        reason=message.reason or None,
        moved_at=render.when(message.moved_at),
    )
