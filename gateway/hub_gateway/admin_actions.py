"""/admin/instruments/{symbol}/actions: splits and dividends to come. market-data checks the role once more,
decides, and records who added them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from hub.market_data.v1 import market_data_admin_pb2 as admin_pb2
from hub.market_data.v1 import market_data_pb2
from hub_gateway import codes, render
from hub_gateway.admin import ADMIN_TIME_S
from hub_gateway.codec import Body, Schema, optional_decimal
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import known_symbol
from hub_gateway.new_orders import nothing
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.peers import Peers
from hub_gateway.types.bars import CorporateAction
from hub_gateway.types.common import Day, OptionalDecimal, described
from hub_money import to_text
from hub_rpc import calling_as

_TYPES: Final = {
    "SPLIT": market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT,
    "DIVIDEND": market_data_pb2.CORPORATE_ACTION_TYPE_DIVIDEND,
}


class NewAction(Body, frozen=True):
    """A split or a dividend to come."""

    type: Literal["SPLIT", "DIVIDEND"]
    ex_date: Annotated[Day, described("The first trading day without it, later than the running one.")]
    ratio: Annotated[
        OptionalDecimal, described("Of a split: new shares for each old one, 0.001 to 1000, not 1.", "4")
    ] = msgspec.field(default_factory=nothing)
    amount: Annotated[
        OptionalDecimal, described("Of a dividend: cash per share, less than its price.", "0.25")
    ] = msgspec.field(default_factory=nothing)


_ACTION: Final[Schema[NewAction]] = Schema(NewAction)


class AdminActions:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market = peers.market_data_admin
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [Resource("/api/v1/admin/instruments/{symbol}/actions", POST=self._add())]

    def _add(self) -> Operation:
        return Operation(
            handler=self.add,
            summary="Add a split or a dividend to come",
            tag="admin",
            description="When its trading day begins, a dividend is paid to who holds the instrument then. A "
            "split halts it, cancels its open orders with the reason CORPORATE_ACTION, and multiplies what "
            "is held; then trading goes on by itself. The same once more is the same answer.",
            access=Access.ADMIN,
            body=NewAction,
            examples={
                "split": {"type": "SPLIT", "ex_date": "2026-11-30", "ratio": "4"},
                "dividend": {"type": "DIVIDEND", "ex_date": "2026-11-30", "amount": "0.25"},
            },
            answers={201: CorporateAction},
            problems=codes.together(
                codes.NUMBERS,
                {
                    400: (
                        "invalid_date",
                        "ex_date_not_ahead",
                        "ex_date_too_far",
                        "not_a_trading_day",
                        "ratio_required",
                        "ratio_not_allowed",
                        "invalid_ratio",
                        "amount_required",
                        "amount_not_allowed",
                        "invalid_amount",
                    ),
                    404: ("unknown_symbol",),
                    409: ("corporate_action_exists",),
                    503: ("market_data_unavailable",),
                },
            ),
        )

    async def add(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _ACTION.read(await request.json())
        ratio = optional_decimal(body.ratio, field="ratio")
        amount = optional_decimal(body.amount, field="amount")
        wanted = admin_pb2.AddCorporateActionRequest(
            symbol=known_symbol(request),
            type=_TYPES[body.type],
            ex_date=body.ex_date,
            ratio="" if ratio is None else to_text(ratio),
            amount="" if amount is None else to_text(amount),
        )
        with calling_as(caller.token):
            added = await self._market.AddCorporateAction(wanted, timeout=ADMIN_TIME_S)
        return answer(render.corporate_action(added.action), status=201)
