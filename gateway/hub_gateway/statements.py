"""/statements: what happened in a month, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hub.portfolio.v1 import statements_pb2
from hub_gateway import activities, render_statements
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.files import CSV, MOST_ROWS, Page, csv_file
from hub_gateway.gate import Caller, Gate
from hub_gateway.operation import PAGES, Operation, Resource
from hub_gateway.pages import page
from hub_gateway.peers import Peers
from hub_gateway.types.activities import Activity
from hub_gateway.types.statements import (
    Statement,
    StatementCash,
    StatementFile,
    StatementMonths,
    StatementPosition,
)
from hub_rpc import calling_as

FILE_ROWS: Final = 100  # as many as portfolio puts on a page
TIME_S: Final = 10.0  # to draw up a month; those before it are kept when they are done
COLUMNS: Final = ("record", "at", *activities.HAPPENED, "market_value", "order_id", *activities.WHY)
RULES: Final = (
    "Months are those of New York. A statement has what was booked in its month; what came later is in the "
    "next one. It is issued when it is first asked for after its month has ended, and never changes. The "
    "running month is a draft (`final` is false), as of now."
)
PROBLEMS: Final = {
    400: ("invalid_month",),
    404: ("statement_not_found", "account_not_found"),
    422: ("month_not_begun",),
}
Row = Sequence[str | Decimal]


class Statements:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._statements = peers.statements
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/statements", GET=self._list()),
            Resource("/api/v1/statements/{month}.csv", GET=self._file()),
            Resource("/api/v1/statements/{month}", GET=self._one()),
        ]

    def _list(self) -> Operation:
        return Operation(
            handler=self.list,
            summary="Which months there are statements of, newest first",
            tag="portfolio",
            query=PAGES,
            answers={200: StatementMonths},
            problems={404: ("account_not_found",)},
        )

    def _one(self) -> Operation:
        return Operation(
            handler=self.one,
            summary="The statement of a month",
            tag="portfolio",
            description=f"{RULES} All but `lines` is the same on every page.",
            query=PAGES,
            answers={200: Statement},
            problems=PROBLEMS,
        )

    def _file(self) -> Operation:
        return Operation(
            handler=self.file,
            summary="The statement of a month as a file",
            tag="portfolio",
            description=f"{RULES} The name of a draft's file ends with `-draft.csv`. A file of more than "
            f"{MOST_ROWS} rows is cut off there. A transfer that breaks off is of a file that is not whole.",
            answers={200: StatementFile},
            media_type=CSV,
            problems=PROBLEMS,
        )

    async def list(self, request: Request) -> Response:
        size, token = page(request.query("page_size", "page_token"))
        caller = await self._gate.user(request)
        wanted = statements_pb2.ListStatementsRequest(page_size=size, page_token=token)
        with calling_as(caller.token):
            found = await self._statements.ListStatements(wanted)
        months = [render_statements.statement_month(each) for each in found.statements]
        return answer(StatementMonths(statements=months, next_page_token=found.next_page_token or None))

    async def one(self, request: Request) -> Response:
        size, token = page(request.query("page_size", "page_token"))
        caller = await self._gate.user(request)
        return answer(await self._ask(caller, request.parameter("month"), size=size, token=token))

    async def file(self, request: Request) -> Response:
        request.query()
        month = request.parameter("month")

        async def ask(token: str) -> Page:
            caller = await self._gate.user(request)
            found = await self._ask(caller, month, size=FILE_ROWS, token=token)
            rows = [_line(each) for each in found.lines]
            if not token:
                rows = [*_opening(found), *rows]
            if found.next_page_token is None:
                rows += _closing(found)
            return Page(rows, found.next_page_token or "", ending="" if found.final else "-draft")

        return await csv_file(request, f"statement-{_safe(month)}", COLUMNS, ask)

    async def _ask(self, caller: Caller, month: str, *, size: int, token: str) -> Statement:
        wanted = statements_pb2.GetStatementRequest(month=month, page_size=size, page_token=token)
        with calling_as(caller.token):
            return render_statements.statement(await self._statements.GetStatement(wanted, timeout=TIME_S))


def _safe(month: str) -> str:
    """Portfolio has read it as a month before a file has its name."""
    return "".join(letter for letter in month if letter.isascii() and letter in "0123456789-")


def _opening(found: Statement) -> list[Row]:
    at = found.starts_at or ""
    positions = [_position("opening_position", at, each) for each in found.opening_positions]
    return [_cash("opening_cash", at, found.opening_cash), *positions]


def _closing(found: Statement) -> list[Row]:
    at = (found.ends_at if found.final else found.issued_at) or ""
    positions = [_position("closing_position", at, each) for each in found.closing_positions]
    return [*positions, _cash("closing_cash", at, found.closing_cash)]


def _cash(record: str, at: str, cash: StatementCash) -> Row:
    return _row(record=record, at=at, net_amount=Decimal(cash.total), settled=Decimal(cash.settled))


def _position(record: str, at: str, found: StatementPosition) -> Row:
    return _row(
        record=record,
        at=at,
        symbol=found.symbol,
        quantity=Decimal(found.quantity),
        cost=Decimal(found.total_cost),
        price="" if found.price is None else Decimal(found.price),
        market_value="" if found.market_value is None else Decimal(found.market_value),
    )


def _line(found: Activity) -> Row:
    cells = dict(zip(activities.COLUMNS, activities.row(found), strict=True))
    return _row(
        record=found.type,
        at=found.posted_at or "",
        **{name: cell for name, cell in cells.items() if name in COLUMNS},
    )


def _row(**cells: str | Decimal) -> Row:
    return [cells.get(name, "") for name in COLUMNS]
