"""/activities: what happened in the caller's account, page by page as JSON, or whole as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from hub.position.v1 import activities_pb2
from hub_errors import Invalid
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.files import CSV, MOST_ROWS, Page, csv_file
from hub_gateway.gate import Caller, Gate
from hub_gateway.operation import PAGES, Operation, Parameter, Resource
from hub_gateway.orders import BEFORE, FROM, OF_SYMBOL, wanted_symbol
from hub_gateway.pages import between, page
from hub_gateway.peers import Peers
from hub_gateway.render_statements import activity
from hub_gateway.types.activities import Activities as ActivitiesPage
from hub_gateway.types.activities import ActivitiesFile, Activity
from hub_rpc import calling_as

FILE_ROWS: Final = 100  # as many as position puts on a page
TYPES: Final = ("fill", "deposit", "withdrawal", "adjustment", "dividend", "split", "settlement")
NAMES: Final = ("type", "symbol", "from", "before")
OF_TYPE: Final = Parameter(
    name="type",
    description="Only these, with commas between; without it all but settlements.",
    schema={"type": "string", "pattern": f"^({'|'.join(TYPES)})(,({'|'.join(TYPES)})){{0,9}}$"},
)
FILTERS: Final = (OF_TYPE, OF_SYMBOL, FROM, BEFORE)
# What happened, in the files of statements too; these are numbers.
AMOUNTS: Final = (
    "quantity",
    "price",
    "ratio",
    "quantity_before",
    "quantity_after",
    "net_amount",
    "settled",
    "cost",
    "realised_pnl",
    "fee",
    "dividend",
)
HAPPENED: Final = ("symbol", "side", *AMOUNTS)
WHY: Final = ("transaction_id", "reason")
COLUMNS: Final = ("activity_id", "posted_at", "type", *HAPPENED, "executed_at", "order_id", "trade_id", *WHY)
PROBLEMS: Final = {400: ("invalid_value", "invalid_symbol", "inverted_range")}


class Activities:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._activities = peers.activities
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/activities", GET=self._list()),
            Resource("/api/v1/activities.csv", GET=self._file()),
        ]

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="What happened in your account, newest first",
            tag="portfolio",
            description="One line for each event, as it was booked: it never changes. An execution that came "
            "late is a fill and, beside it, an adjustment of those that it restates. A split says how many "
            "shares there were before it and after, and moves no money but for a part of a share that it "
            "pays out. `from` and `before` are of `posted_at`.",
            query=(*FILTERS, *PAGES),
            answers={200: ActivitiesPage},
            problems=PROBLEMS,
        )

    def _file(self) -> Operation:
        return Operation(
            handler=self.file,
            summary="What happened in your account, as a file",
            tag="portfolio",
            description=f"Newest first, at most {MOST_ROWS} rows. A file of so many is cut off: the next "
            "begins `before` a microsecond after its last `posted_at`, and what is in both has the same "
            "`activity_id`. A transfer that breaks off is of a file that is not whole.",
            query=FILTERS,
            answers={200: ActivitiesFile},
            media_type=CSV,
            problems=PROBLEMS,
        )

    async def list(self, request: Request) -> Response:
        query = request.query(*NAMES, "page_size", "page_token")
        wanted = _wanted(query)
        wanted.page_size, wanted.page_token = page(query)
        found = await self._ask(await self._gate.user(request), wanted)
        activities = [activity(each) for each in found.activities]
        return answer(ActivitiesPage(activities=activities, next_page_token=found.next_page_token or None))

    async def file(self, request: Request) -> Response:
        wanted = _wanted(request.query(*NAMES))
        wanted.page_size = FILE_ROWS

        async def ask(token: str) -> Page:
            wanted.page_token = token
            found = await self._ask(await self._gate.user(request), wanted)
            return Page([row(activity(each)) for each in found.activities], found.next_page_token)

        return await csv_file(request, "activities", COLUMNS, ask)

    async def _ask(
        self, caller: Caller, wanted: activities_pb2.ListActivitiesRequest
    ) -> activities_pb2.ListActivitiesResponse:
        with calling_as(caller.token):
            return await self._activities.ListActivities(wanted)


def _wanted(query: Mapping[str, str]) -> activities_pb2.ListActivitiesRequest:
    wanted = activities_pb2.ListActivitiesRequest(types=_types(query), symbol=wanted_symbol(query))
    start, end = between(query, "from", "before")
    if start is not None:
        wanted.posted_from.FromDatetime(start)
    if end is not None:
        wanted.posted_before.FromDatetime(end)
    return wanted


def _types(query: Mapping[str, str]) -> Sequence[str]:
    if "type" not in query:
        return []
    names = list(dict.fromkeys(query["type"].split(",")))
    if any(name not in TYPES for name in names):
        sentence = f"type must be of {', '.join(TYPES)}, with commas between."
        raise Invalid(sentence, code="invalid_value", field="type")
    return names


def row(found: Activity) -> Sequence[str | Decimal]:
    """As COLUMNS says; a number may begin with a sign."""
    return [_cell(name, getattr(found, name)) for name in COLUMNS]


def _cell(name: str, value: str | int | None) -> str | Decimal:
    if value is None:
        return ""
    return Decimal(value) if name in AMOUNTS else str(value)
