"""The predecessor's paths, for programs that were written for it: the same data in its shapes. New programs
use /api/v1. What the predecessor answered with 500 where the request was at fault is a 4xx here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from hub.auth.v1 import auth_pb2
from hub.order.v1 import order_pb2
from hub.portfolio.v1 import portfolio_pb2, watchlist_pb2
from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_gateway import legacy_shapes as shapes
from hub_gateway.auth import CREDENTIALS, PASSWORD_TIME_S, Credentials
from hub_gateway.codec import NULL, Body, Schema
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Caller, Gate
from hub_gateway.limits import Rule
from hub_gateway.new_orders import (
    ACCEPTED_HEADERS,
    IDEMPOTENCY_KEY,
    SUBMIT_PROBLEMS,
    NewOrder,
    accepted_headers,
    nothing,
    send,
)
from hub_gateway.operation import Access, Operation, Parameter, Resource
from hub_gateway.path_ids import order_id
from hub_gateway.peers import Peers
from hub_gateway.problems import naming
from hub_gateway.submissions import Submissions
from hub_gateway.types.common import AnyDecimal, OptionalDecimal, described
from hub_gateway.types.legacy import (
    LegacyAccepted,
    LegacyAggregation,
    LegacyBalance,
    LegacyCancelled,
    LegacyHistory,
    LegacyOrder,
    LegacyStatus,
    LegacySummary,
    LegacyToken,
    LegacyWatched,
)
from hub_rpc import calling_as
from hub_texts import printable

# Pages are walked from the newest order on: that is bounded, and programs that need more use /api/v1/orders.
MOST_ORDERS: Final = 2_000
MOST_ROWS: Final = 100
NAMES: Final = {"limit_price": "price", "stop_price": "price", "side": "order_side", "type": "order_type"}
STOPPED: Final = frozenset({"STOP_LOSS", "STOP_LIMIT"})


class LegacyNewOrder(Body, frozen=True):
    """What to buy or sell; it stays until it is cancelled. `price` is the limit, or the stop of a STOP_LOSS,
    or both of a STOP_LIMIT."""

    symbol: Annotated[
        str, described("Upper or lower case.", "AAPL", pattern="^[A-Za-z0-9][A-Za-z0-9.\\-]{0,15}$")
    ]
    order_type: Literal["MARKET", "LIMIT", "STOP_LOSS", "STOP_LIMIT"]
    order_side: Literal["BUY", "SELL"]
    quantity: AnyDecimal
    price: OptionalDecimal = msgspec.field(default_factory=nothing)


_NEW_ORDER: Final[Schema[LegacyNewOrder]] = Schema(LegacyNewOrder)
PAGE: Final = Parameter(
    name="page",
    description="From 1.",
    schema={"type": "integer", "minimum": 1, "maximum": MOST_ORDERS, "default": 1},
)
LIMIT: Final = Parameter(
    name="limit",
    description="Rows on a page.",
    schema={"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 20},
)


class Legacy:
    def __init__(
        self, *, peers: Peers, gate: Gate, submissions: Submissions, pace: Rule, visits: Rule
    ) -> None:
        self._peers = peers
        self._gate = gate
        self._submissions = submissions
        self._pace = pace
        self._visits = visits

    def resources(self) -> Sequence[Resource]:
        unknown_order = {404: ("order_not_found",)}
        return [
            Resource(
                "/login",
                POST=Operation(
                    handler=self.login,
                    summary="Log in",
                    tag="legacy",
                    deprecated=True,
                    access=Access.VISITOR,
                    body=Credentials,
                    answers={200: LegacyToken},
                    problems={
                        400: ("invalid_length", "invalid_characters"),
                        401: ("invalid_credentials",),
                        429: ("auth_busy",),
                    },
                ),
            ),
            Resource("/getBalance", GET=_read(self.balance, "Your cash", LegacyBalance)),
            Resource(
                "/getAucAggregation", GET=_read(self.aggregation, "Holdings by category", LegacyAggregation)
            ),
            Resource("/getPortfolioSummary", GET=_read(self.summary, "Cash and holdings", LegacySummary)),
            Resource(
                "/getWatchlist", GET=_read(self.watchlist, "What your watchlists name", list[LegacyWatched])
            ),
            Resource(
                "/orders",
                POST=Operation(
                    handler=self.submit,
                    summary="Send an order",
                    tag="legacy",
                    deprecated=True,
                    body=LegacyNewOrder,
                    headers=(IDEMPOTENCY_KEY,),
                    answers={202: LegacyAccepted},
                    answer_headers=ACCEPTED_HEADERS,
                    problems=SUBMIT_PROBLEMS,
                ),
            ),
            Resource(
                "/orders/history",
                GET=_read(
                    self.history,
                    "Your orders, newest first",
                    LegacyHistory,
                    query=(PAGE, LIMIT),
                    problems={400: ("invalid_value", "page_too_deep")},
                ),
            ),
            Resource(
                "/orders/{order_id}", GET=_read(self.one, "An order", LegacyOrder, problems=unknown_order)
            ),
            Resource(
                "/orders/{order_id}/status",
                GET=_read(self.status, "Where an order is", LegacyStatus, problems=unknown_order),
            ),
            Resource(
                "/orders/{order_id}/cancel",
                PUT=_read(
                    self.cancel,
                    "Cancel an order",
                    LegacyCancelled,
                    problems={**unknown_order, 422: ("order_final",)},
                ),
            ),
        ]

    async def login(self, request: Request) -> Response:
        body = CREDENTIALS.read(await request.json())
        message = auth_pb2.LoginRequest(
            email=printable(body.email, field="email", shortest=1, longest=254),
            password=printable(body.password, field="password", shortest=1, longest=1024),
        )
        await self._gate.visitor(request, self._visits)
        opened = await self._peers.auth.Login(message, timeout=PASSWORD_TIME_S)
        return answer(LegacyToken(token=opened.tokens.access_token))

    async def balance(self, request: Request) -> Response:
        caller = await self._reader(request)
        with calling_as(caller.token):
            found = await self._peers.position.GetBalance(position_pb2.GetBalanceRequest())
        return answer(shapes.balance(found.buying_power))

    async def aggregation(self, request: Request) -> Response:
        found = await self._summary(request)
        return answer(shapes.aggregation(found.positions))

    async def summary(self, request: Request) -> Response:
        return answer(shapes.summary(await self._summary(request)))

    async def watchlist(self, request: Request) -> Response:
        caller = await self._reader(request)
        with calling_as(caller.token):
            found = await self._peers.watchlists.ListWatchlists(watchlist_pb2.ListWatchlistsRequest())
        return answer(shapes.watchlist(found.watchlists))

    async def submit(self, request: Request) -> Response:
        caller = await self._gate.user(request, self._pace)
        body = _NEW_ORDER.read(await request.json())
        stop_only = body.order_type == "STOP_LOSS"
        order = NewOrder(
            symbol=shapes.in_capitals(body.symbol),
            side=body.order_side,
            type=body.order_type,
            quantity=body.quantity,
            limit_price=NULL if stop_only else body.price,
            stop_price=body.price if body.order_type in STOPPED else NULL,
            time_in_force="GTC",
        )
        with naming(NAMES):
            accepted = await send(self._submissions, order, caller=caller, request=request)
        headers = accepted_headers(accepted, path="/orders")
        return answer(shapes.accepted(accepted.order), status=202, headers=headers)

    async def history(self, request: Request) -> Response:
        query = request.query("page", "limit")
        page, limit = _number(query, "page", 1, MOST_ORDERS), _number(query, "limit", 20, MOST_ROWS)
        if page * limit > MOST_ORDERS:
            sentence = f"Only the newest {MOST_ORDERS} orders are here; /api/v1/orders has all."
            raise Invalid(sentence, code="page_too_deep", field="page")
        caller = await self._gate.user(request)
        orders, total = await self._newest(caller, page * limit)
        shown = orders[(page - 1) * limit :]
        user_id = caller.principal.user_id
        return answer(
            LegacyHistory(
                orders=[shapes.order(each, user_id=user_id) for each in shown],
                total=total,
                page=page,
                limit=limit,
            )
        )

    async def one(self, request: Request) -> Response:
        caller = await self._reader(request)
        wanted = order_pb2.GetOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            found = await self._peers.order.GetOrder(wanted)
        executed_at = found.executions[-1].executed_at if found.executions else None
        return answer(shapes.order(found.order, user_id=caller.principal.user_id, executed_at=executed_at))

    async def status(self, request: Request) -> Response:
        caller = await self._reader(request)
        wanted = order_pb2.GetOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            found = await self._peers.order.GetOrder(wanted)
        return answer(shapes.status(found.order))

    async def cancel(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = order_pb2.CancelOrderRequest(order_id=order_id(request))
        with calling_as(caller.token):
            found = await self._peers.order.CancelOrder(wanted)
        return answer(shapes.cancelled(found.order))

    async def _reader(self, request: Request) -> Caller:
        request.query()
        return await self._gate.user(request)

    async def _summary(self, request: Request) -> portfolio_pb2.GetSummaryResponse:
        caller = await self._reader(request)
        with calling_as(caller.token):
            return await self._peers.portfolio.GetSummary(portfolio_pb2.GetSummaryRequest())

    async def _newest(self, caller: Caller, count: int) -> tuple[list[order_pb2.Order], int]:
        """The newest orders, as many as there are up to `count`, and how many there are in all."""
        orders: list[order_pb2.Order] = []
        token, total = "", 0
        with calling_as(caller.token):
            while len(orders) < count:
                rows = min(MOST_ROWS, count - len(orders))
                wanted = order_pb2.ListOrdersRequest(
                    page_size=rows, page_token=token, include_total=not orders
                )
                found = await self._peers.order.ListOrders(wanted)
                total = total or found.total
                orders.extend(found.orders)
                token = found.next_page_token
                if not token:
                    break
        return orders, total


def _read(
    handler: object,
    summary: str,
    kind: object,
    *,
    query: Sequence[Parameter] = (),
    problems: Mapping[int, Sequence[str]] | None = None,
) -> Operation:
    return Operation(
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag="legacy",
        deprecated=True,
        query=query,
        answers={200: kind},
        problems=problems or {},
    )


def _number(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise Invalid(f"{name} must be a number from 1 to {most}.", code="invalid_value", field=name)
    return int(text)
