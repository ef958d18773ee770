"""/positions/{symbol}/views: parts of a position, as its owner names them. position computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from hub.position.v1 import views_pb2
from hub_gateway import codes
from hub_gateway.codec import Body, Schema, optional_decimal
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Caller, Gate
from hub_gateway.market_data import known_symbol
from hub_gateway.new_orders import nothing, text
from hub_gateway.operation import Operation, Resource
from hub_gateway.path_ids import named_view, view_id
from hub_gateway.peers import Peers
from hub_gateway.render_statements import viewed_position
from hub_gateway.types.common import OptionalDecimal, described
from hub_gateway.types.views import ViewedPosition
from hub_gateway.watchlists import Name
from hub_rpc import calling_as
from hub_texts import printable

LONGEST_NAME: Final = 64
ADDS_UP: Final = (
    "The parts and `rest` together are the position. Where the parts were made for more shares than there "
    "are now, all have less by the same factor, and `reduced` is true. They change nothing that can be sold."
)


class NewView(Body, frozen=True):
    """A part of a position: by quantity or by percentage."""

    name: Name
    quantity: Annotated[OptionalDecimal, described("So many shares.", "5")] = msgspec.field(
        default_factory=nothing
    )
    percentage: Annotated[
        OptionalDecimal, described("Of however many there are, above 0 and at most 100.", "50")
    ] = msgspec.field(default_factory=nothing)


class Merging(Body, frozen=True):
    """Where to."""

    into: Annotated[
        str, described("The part that takes it.", "01a20e32-4b22-7f10-9a41-0c3e5d7b9f12", format="uuid")
    ]


_NEW: Final[Schema[NewView]] = Schema(NewView)
_MERGING: Final[Schema[Merging]] = Schema(Merging)
PLACE: Final = {404: ("unknown_symbol", "position_not_found")}
MAKING: Final = {
    400: ("invalid_length", "invalid_characters", "invalid_percentage", "quantity_or_percentage"),
    409: ("view_name_taken",),
    422: ("exceeds_position", "too_many_views"),
}


class Views:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._views = peers.views
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/positions/{symbol}/views", GET=self._list(), POST=self._create()),
            Resource("/api/v1/positions/{symbol}/views/{view_id}", DELETE=self._delete()),
            Resource("/api/v1/positions/{symbol}/views/{view_id}/merge", POST=self._merge()),
        ]

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="The parts that you made of a position",
            tag="portfolio",
            description=ADDS_UP,
            answers={200: ViewedPosition},
            problems=PLACE,
        )

    def _create(self) -> Operation:
        return Operation(
            handler=self.create,
            summary="Make a part of a position",
            tag="portfolio",
            description=f"It must fit into `rest`. {ADDS_UP}",
            body=NewView,
            examples={
                "half": {"name": "Long term", "percentage": "50"},
                "some": {"name": "Children", "quantity": "5"},
            },
            answers={201: ViewedPosition},
            answer_headers={"Location": "Where the part is."},
            problems=codes.together(codes.NUMBERS, PLACE, MAKING),
        )

    def _delete(self) -> Operation:
        return Operation(
            handler=self.delete,
            summary="Put a part back to the rest of its position",
            tag="portfolio",
            description="One that is gone already is no mistake.",
            answers={200: ViewedPosition},
            problems=codes.together(PLACE, {404: ("view_not_found",)}),
        )

    def _merge(self) -> Operation:
        return Operation(
            handler=self.merge,
            summary="Put a part into another one",
            tag="portfolio",
            description="Percentages are added; any other two become the shares that both were made for. One "
            "that is gone already changes nothing.",
            body=Merging,
            answers={200: ViewedPosition},
            problems=codes.together(PLACE, {400: ("invalid_value",), 404: ("view_not_found",)}),
        )

    async def list(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = views_pb2.ListViewsRequest(symbol=known_symbol(request))
        with calling_as(caller.token):
            found = await self._views.ListViews(wanted)
        return answer(viewed_position(found.position))

    async def create(self, request: Request) -> Response:
        caller = await self._gate.user(request)
        body = _NEW.read(await request.json())
        symbol = known_symbol(request)
        wanted = views_pb2.CreateViewRequest(
            symbol=symbol,
            name=printable(body.name.strip(), field="name", shortest=1, longest=LONGEST_NAME),
            quantity=text(optional_decimal(body.quantity, field="quantity")),
            percentage=text(optional_decimal(body.percentage, field="percentage")),
        )
        with calling_as(caller.token):
            made = await self._views.CreateView(wanted)
        place = f"/api/v1/positions/{symbol}/views/{made.view_id}"
        return answer(viewed_position(made.position), status=201, headers=[(b"location", place.encode())])

    async def delete(self, request: Request) -> Response:
        request.query()
        return await self._put(request, await self._gate.user(request), "")

    async def merge(self, request: Request) -> Response:
        caller = await self._gate.user(request)
        body = _MERGING.read(await request.json())
        return await self._put(request, caller, named_view(body.into, field="into"))

    async def _put(self, request: Request, caller: Caller, into: str) -> Response:
        wanted = views_pb2.MergeViewRequest(
            symbol=known_symbol(request), view_id=view_id(request), into_view_id=into
        )
        with calling_as(caller.token):
            found = await self._views.MergeView(wanted)
        return answer(viewed_position(found.position))
