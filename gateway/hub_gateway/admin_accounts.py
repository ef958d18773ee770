"""/admin/accounts: what an account may do. position and order check the role once more, and record who did
what."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, cast

import msgspec

from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_gateway import codes, render, render_orders
from hub_gateway.admin import ADMIN_TIME_S
from hub_gateway.codec import Body, Schema, optional_decimal
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.new_orders import nothing, text
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.path_ids import account_id
from hub_gateway.peers import Peers
from hub_gateway.types.accounts import AccountLimits, AccountState, AccountStatus, TradingState
from hub_gateway.types.common import PRINTABLE, OptionalDecimal, described
from hub_gateway.types.orders import CancelledOrders
from hub_rpc import calling_as
from hub_texts import printable

MOST_A_MINUTE: Final = 1_000_000
Reason = Annotated[
    str, described("For people.", "suspicious log-ins", pattern=PRINTABLE, minLength=1, maxLength=200)
]


class NewState(Body, frozen=True):
    """What an account may do from now on; what is left out stays."""

    reason: Reason
    status: Annotated[
        AccountStatus | None,
        described("RESTRICTED may only close positions, CLOSED may send no orders.", "RESTRICTED"),
    ] = None
    trading_state: Annotated[
        TradingState | None,
        described(
            "The kill switch: REDUCING may only sell, or make an open purchase smaller or cheaper; HALTED "
            "may send no orders.",
            "HALTED",
        ),
    ] = None


class NewLimits(Body, frozen=True):
    """All limits of the account's own; what is left out is as for every account."""

    reason: Reason
    most_value: Annotated[OptionalDecimal, described("Largest value of an order.", "50000")] = msgspec.field(
        default_factory=nothing
    )
    most_quantity: Annotated[OptionalDecimal, described("Largest quantity of an order.", "1000")] = (
        msgspec.field(default_factory=nothing)
    )
    most_position: Annotated[OptionalDecimal, described("Most shares of one instrument.", "5000")] = (
        msgspec.field(default_factory=nothing)
    )
    orders_per_minute: Annotated[
        int | None, described("Most orders in a minute.", 60, minimum=1, maximum=MOST_A_MINUTE)
    ] = None


_STATE: Final[Schema[NewState]] = Schema(NewState)
_LIMITS: Final[Schema[NewLimits]] = Schema(NewLimits)
UNKNOWN: Final = {404: ("account_not_found",)}
REASON: Final = ("invalid_length", "invalid_characters", "invalid_reason")


class AdminAccounts:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._position = peers.position
        self._order = peers.order_admin
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/admin/accounts/{account_id}/state", GET=self._get_state(), PUT=self._set_state()
            ),
            Resource("/api/v1/admin/accounts/{account_id}/orders", DELETE=self._cancel_orders()),
            Resource(
                "/api/v1/admin/accounts/{account_id}/limits", GET=self._get_limits(), PUT=self._set_limits()
            ),
        ]

    def _get_state(self) -> Operation:
        return Operation(
            handler=self.state,
            summary="What an account may do",
            tag="admin",
            access=Access.ADMIN,
            answers={200: AccountState},
            problems=UNKNOWN,
        )

    def _set_state(self) -> Operation:
        return Operation(
            handler=self.set_state,
            summary="Restrict, close or stop an account, or let it go on",
            tag="admin",
            description="Holds for every order that is not accepted yet. What rests already stays and may be "
            "filled; cancelling the account's orders ends that.",
            access=Access.ADMIN,
            body=NewState,
            examples={
                "stop": {"trading_state": "HALTED", "reason": "suspicious log-ins"},
                "go on": {"trading_state": "ACTIVE", "reason": "the owner called"},
            },
            answers={200: AccountState},
            problems={400: ("nothing_to_change", *REASON), **UNKNOWN},
        )

    def _cancel_orders(self) -> Operation:
        return Operation(
            handler=self.cancel_orders,
            summary="Cancel the open orders of an account",
            tag="admin",
            description="At most 100 at once; `more` says whether to ask again. Their records name you.",
            access=Access.ADMIN,
            answers={200: CancelledOrders},
            problems=UNKNOWN,
        )

    def _get_limits(self) -> Operation:
        return Operation(
            handler=self.limits,
            summary="The limits of an account's own",
            tag="admin",
            access=Access.ADMIN,
            answers={200: AccountLimits},
            problems=UNKNOWN,
        )

    def _set_limits(self) -> Operation:
        return Operation(
            handler=self.set_limits,
            summary="Give an account limits of its own, or take them away",
            tag="admin",
            access=Access.ADMIN,
            body=NewLimits,
            examples={
                "smaller": {"most_value": "50000", "orders_per_minute": 60, "reason": "new customer"},
                "as for every account": {"reason": "well known by now"},
            },
            answers={200: AccountLimits},
            problems=codes.together(codes.NUMBERS, {400: REASON, **UNKNOWN}),
        )

    async def state(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.admin(request)
        wanted = position_pb2.GetAccountRequest(account_id=account_id(request))
        with calling_as(caller.token):
            found = await self._position.GetAccount(wanted, timeout=ADMIN_TIME_S)
        return answer(_state(found.account))

    async def set_state(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _STATE.read(await request.json())
        if body.status is None and body.trading_state is None:
            sentence = "A status or a trading_state is needed."
            raise Invalid(sentence, code="nothing_to_change", field="status")
        wanted = position_pb2.SetAccountStateRequest(
            account_id=account_id(request),
            status=body.status or "",
            trading_state=body.trading_state or "",
            reason=read_reason(body.reason),
        )
        with calling_as(caller.token):
            found = await self._position.SetAccountState(wanted, timeout=ADMIN_TIME_S)
        return answer(_state(found.account))

    async def cancel_orders(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.admin(request)
        wanted = order_pb2.CancelAccountOrdersRequest(account_id=account_id(request))
        with calling_as(caller.token):
            found = await self._order.CancelAccountOrders(wanted, timeout=ADMIN_TIME_S)
        orders = [render_orders.order(order) for order in found.orders]
        return answer(CancelledOrders(orders=orders, more=found.more))

    async def limits(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.admin(request)
        wanted = order_pb2.GetAccountLimitsRequest(account_id=account_id(request))
        with calling_as(caller.token):
            found = await self._order.GetAccountLimits(wanted, timeout=ADMIN_TIME_S)
        return answer(_limits(found.own, of=wanted.account_id))

    async def set_limits(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _LIMITS.read(await request.json())
        wanted = order_pb2.SetAccountLimitsRequest(
            account_id=account_id(request),
            limits=order_pb2.AccountLimits(
                most_value=_number(body.most_value, "most_value"),
                most_quantity=_number(body.most_quantity, "most_quantity"),
                most_position=_number(body.most_position, "most_position"),
                orders_per_minute=_orders_per_minute(body.orders_per_minute),
            ),
            reason=read_reason(body.reason),
        )
        with calling_as(caller.token):
            found = await self._order.SetAccountLimits(wanted, timeout=ADMIN_TIME_S)
        return answer(_limits(found.own, of=wanted.account_id))


def read_reason(text: str) -> str:
    reason = printable(text, field="reason", shortest=1, longest=200).strip()
    if not reason:
        raise Invalid("A reason is needed.", code="invalid_reason", field="reason")
    return reason


def _number(raw: msgspec.Raw, field: str) -> str:
    number: Decimal | None = optional_decimal(raw, field=field)
    return text(number)


def _orders_per_minute(number: int | None) -> int:
    if number is not None and not 1 <= number <= MOST_A_MINUTE:
        sentence = f"orders_per_minute must be 1 to {MOST_A_MINUTE}."
        raise Invalid(sentence, code="invalid_value", field="orders_per_minute")
    return number or 0


def _state(message: position_pb2.AccountState) -> AccountState:
    return AccountState(
        account_id=message.account_id,
        user_id=message.user_id,
        status=cast(AccountStatus, message.status),
        trading_state=cast(TradingState, message.trading_state),
        reason=message.reason or None,
        actor=message.actor or None,
        changed_at=render.when(message.changed_at),
    )


def _limits(message: order_pb2.AccountLimits, *, of: str) -> AccountLimits:
    return AccountLimits(
        account_id=of,
        most_value=message.most_value or None,
        most_quantity=message.most_quantity or None,
        most_position=message.most_position or None,
        orders_per_minute=message.orders_per_minute or None,
    )
