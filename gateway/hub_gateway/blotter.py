"""/executions: what venues did to one's orders, page by page as JSON, or whole as a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hub.order.v1 import order_pb2
from hub_gateway import render_orders
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.files import CSV, MOST_ROWS, Page, csv_file
from hub_gateway.gate import Caller, Gate
from hub_gateway.operation import PAGES, Access, Operation, Resource
from hub_gateway.orders import BEFORE, FROM, OF_SYMBOL, wanted_symbol
from hub_gateway.pages import between, page
from hub_gateway.peers import Peers
from hub_gateway.types.executions import Blotter, BlotterFile
from hub_rpc import calling_as

FILE_ROWS: Final = 200  # on a page of what a file is made of: others wait while one is written
NAMES: Final = ("symbol", "from", "before")
FILTERS: Final = (OF_SYMBOL, FROM, BEFORE)
COLUMNS: Final = (
    "execution_id",
    "order_id",
    "account_id",
    "client_order_id",
    "symbol",
    "side",
    "type",
    "quantity",
    "price",
    "value",
    "executed_at",
    "market_time",
    "settled_at",
    "venue",
    "venue_execution_id",
)
PROBLEMS: Final = {400: ("invalid_value", "invalid_symbol", "inverted_range")}
CUT_OFF: Final = (
    f"Newest first, at most {MOST_ROWS} rows. A file of so many is cut off: the next begins `before` a "
    "microsecond after its last `executed_at`, and what is in both has the same `execution_id`. A transfer "
    "that breaks off is of a file that is not whole."
)


class Executions:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._order = peers.order
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/executions", GET=self._list()),
            Resource("/api/v1/executions.csv", GET=self._own_file()),
            Resource("/api/v1/admin/executions.csv", GET=self._file_of_all()),
        ]

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="Your executions, newest first",
            tag="orders",
            description="The trade blotter. `from` and `before` are of the time they were recorded at.",
            query=(*FILTERS, *PAGES),
            answers={200: Blotter},
            problems=PROBLEMS,
        )

    def _own_file(self) -> Operation:
        return Operation(
            handler=self.own_file,
            summary="Your executions as a file",
            tag="orders",
            description=CUT_OFF,
            query=FILTERS,
            answers={200: BlotterFile},
            media_type=CSV,
            problems=PROBLEMS,
        )

    def _file_of_all(self) -> Operation:
        return Operation(
            handler=self.file_of_all,
            summary="The executions of all accounts as a file",
            tag="admin",
            description=f"For the roles admin and support. {CUT_OFF}",
            access=Access.STAFF,
            query=FILTERS,
            answers={200: BlotterFile},
            media_type=CSV,
            problems=PROBLEMS,
        )

    async def list(self, request: Request) -> Response:
        query = request.query(*NAMES, "page_size", "page_token")
        wanted = _wanted(query)
        wanted.page_size, wanted.page_token = page(query)
        caller = await self._gate.user(request)
        found = await self._ask(caller, wanted)
        entries = [render_orders.blotter_entry(entry) for entry in found.entries]
        return answer(Blotter(executions=entries, next_page_token=found.next_page_token or None))

    async def own_file(self, request: Request) -> Response:
        return await self._file(request, self._gate.user, all_accounts=False)

    async def file_of_all(self, request: Request) -> Response:
        return await self._file(request, self._gate.staff, all_accounts=True)

    async def _file(
        self, request: Request, admit: Callable[[Request], Awaitable[Caller]], *, all_accounts: bool
    ) -> Response:
        wanted = _wanted(request.query(*NAMES))
        wanted.page_size, wanted.all_accounts = FILE_ROWS, all_accounts

        async def ask(token: str) -> Page:
            wanted.page_token = token
            found = await self._ask(await admit(request), wanted)
            return Page([_row(entry) for entry in found.entries], found.next_page_token)

        return await csv_file(request, "executions", COLUMNS, ask)

    async def _ask(
        self, caller: Caller, wanted: order_pb2.ListExecutionsRequest
    ) -> order_pb2.ListExecutionsResponse:
        with calling_as(caller.token):
            return await self._order.ListExecutions(wanted)


def _wanted(query: dict[str, str]) -> order_pb2.ListExecutionsRequest:
    wanted = order_pb2.ListExecutionsRequest(symbol=wanted_symbol(query))
    start, end = between(query, "from", "before")
    if start is not None:
        wanted.executed_from.FromDatetime(start)
    if end is not None:
        wanted.executed_before.FromDatetime(end)
    return wanted


def _row(message: order_pb2.BlotterEntry) -> Sequence[str]:
    entry = render_orders.blotter_entry(message)
    return [getattr(entry, name) or "" for name in COLUMNS]
