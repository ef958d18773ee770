"""BooksService: what many accounts have, for services that follow them. The call table says who may ask."""

from __future__ import annotations

from typing import Any

import grpc

from hub.position.v1 import books_pb2, books_pb2_grpc
from hub_money import to_text
from hub_position import mapping
from hub_position.mapping.values import timestamp
from hub_position.store.many import OpenBooks, read_books_of
from hub_position.store.snapshot import read_books_together
from hub_postgres import Pool

Context = grpc.aio.ServicerContext[Any, Any]

MOST_ACCOUNTS = 200
MOST_OWNERS = 100
# Of some 200 bytes each; a message may have 4 MiB.
MOST_POSITIONS = 5000


class BooksRpc(books_pb2_grpc.BooksServiceServicer):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ListAccountBooks(
        self, request: books_pb2.ListAccountBooksRequest, context: Context
    ) -> books_pb2.ListAccountBooksResponse:
        mapping.at_most(len(request.account_ids), MOST_ACCOUNTS, "account_ids")
        account_ids = [mapping.read_uuid(text, "account_ids") for text in request.account_ids]
        found = await read_books_of(self._pool, account_ids)
        return books_pb2.ListAccountBooksResponse(books=map(_books, found))

    async def ListFullBooks(
        self, request: books_pb2.ListFullBooksRequest, context: Context
    ) -> books_pb2.ListFullBooksResponse:
        mapping.at_most(len(request.owners), MOST_OWNERS, "owners")
        owners = {
            mapping.read_uuid(each.account_id, "account_id"): mapping.read_uuid(each.user_id, "user_id")
            for each in request.owners
        }
        found = await read_books_together(self._pool, owners, most_positions=MOST_POSITIONS)
        return books_pb2.ListFullBooksResponse(
            books=[mapping.books(each.balance, each.positions) for each in found]
        )


def _books(found: OpenBooks) -> books_pb2.AccountBooks:
    account = found.account
    return books_pb2.AccountBooks(
        account_id=str(account.account_id),
        currency=account.currency,
        cash=to_text(account.cash),
        paid_in=to_text(found.paid_in),
        version=account.version,
        opened_at=timestamp(found.opened_at),
        positions=[
            books_pb2.OpenPosition(
                symbol=position.symbol,
                quantity=to_text(position.holding.quantity),
                total_cost=to_text(position.holding.total_cost),
                split_at=None if position.split_at is None else timestamp(position.split_at),
                split_ratio="" if position.split_ratio is None else to_text(position.split_ratio),
            )
            for position in found.positions
        ],
    )
