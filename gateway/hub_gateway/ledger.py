"""/ledger: the caller's double-entry ledger, page by page as JSON, or whole as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from hub.position.v1 import position_pb2
from hub_errors import Invalid
from hub_gateway import render
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.files import CSV, MOST_ROWS, Page, csv_file
from hub_gateway.gate import Gate
from hub_gateway.operation import PAGES, Operation, Parameter, Resource
from hub_gateway.pages import page
from hub_gateway.peers import Peers
from hub_gateway.types.portfolio import Ledger, LedgerFile
from hub_rpc import calling_as

FILE_ROWS: Final = 100  # as many as position puts on a page
LONGEST_ID: Final = 18
COLUMNS: Final = (
    "posting_id",
    "posted_at",
    "kind",
    "ledger_account",
    "amount",
    "symbol",
    "trade_id",
    "transaction_id",
)
BEFORE: Final = Parameter(
    name="before",
    description="Only postings before the one of this posting_id.",
    schema={"type": "string", "pattern": f"^[0-9]{{1,{LONGEST_ID}}}$"},
)


class Ledgers:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._position = peers.position
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/ledger",
                GET=Operation(
                    handler=self.list,
                    summary="Your ledger: totals, and postings, newest first",
                    tag="portfolio",
                    query=PAGES,
                    answers={200: Ledger},
                ),
            ),
            Resource(
                "/api/v1/ledger.csv",
                GET=Operation(
                    handler=self.file,
                    summary="Your ledger as a file",
                    tag="portfolio",
                    description="Every posting, newest first; those of a transaction sum to zero. At most "
                    f"{MOST_ROWS} rows: a file of so many is cut off, and the next begins `before` its last "
                    "posting_id. A transfer that breaks off is of a file that is not whole.",
                    query=(BEFORE,),
                    answers={200: LedgerFile},
                    media_type=CSV,
                    problems={400: ("invalid_value",)},
                ),
            ),
        ]

    async def list(self, request: Request) -> Response:
        size, token = page(request.query("page_size", "page_token"))
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            wanted = position_pb2.ListPostingsRequest(page_size=size, page_token=token)
            found = await self._position.ListPostings(wanted)
        return answer(
            Ledger(
                totals={total.ledger_account: total.amount for total in found.totals},
                postings=[render.posting(posting) for posting in found.postings],
                next_page_token=found.next_page_token or None,
            )
        )

    async def file(self, request: Request) -> Response:
        before = _posting_id(request.query("before"))

        async def ask(token: str) -> Page:
            caller = await self._gate.user(request)
            wanted = position_pb2.ListPostingsRequest(
                page_size=FILE_ROWS, page_token=token, without_totals=True, before=before
            )
            with calling_as(caller.token):
                found = await self._position.ListPostings(wanted)
            return Page([_row(posting) for posting in found.postings], found.next_page_token)

        return await csv_file(request, "ledger", COLUMNS, ask)


def _posting_id(query: Mapping[str, str]) -> int | None:
    """None where none is asked for."""
    text = query.get("before", "")
    if "before" in query and not (text.isascii() and text.isdigit() and len(text) <= LONGEST_ID):
        raise Invalid("before must be a posting_id.", code="invalid_value", field="before")
    return int(text) if text else None


def _row(message: position_pb2.Posting) -> Sequence[str | Decimal]:
    return (
        str(message.posting_id),
        render.when(message.posted_at) or "",
        message.kind,
        message.ledger_account,
        Decimal(message.amount),
        message.symbol,
        message.trade_id,
        message.transaction_id,
    )
