"""StatementService: message -> values -> use case -> message. Whose it is, the verified token says."""

from __future__ import annotations

from typing import Any, Final

import grpc

from hub.portfolio.v1 import statements_pb2, statements_pb2_grpc
from hub_errors import Invalid
from hub_identity import Trust, current_principal
from hub_portfolio import mapping, mapping_statements
from hub_portfolio.domain.month import Month
from hub_portfolio.usecases.statements import Caller, Office, get_statement, list_statements
from hub_rpc import bearer_token

Context = grpc.aio.ServicerContext[Any, Any]

MOST_ON_A_PAGE: Final = 100
USUAL_ON_A_PAGE: Final = 50


class StatementRpc(statements_pb2_grpc.StatementServiceServicer):
    def __init__(self, trust: Trust, office: Office) -> None:
        self._trust = trust
        self._office = office

    async def ListStatements(
        self, request: statements_pb2.ListStatementsRequest, context: Context
    ) -> statements_pb2.ListStatementsResponse:
        caller = self._caller()
        before = mapping_statements.read_month_token(request.page_token)
        found = await list_statements(self._office, caller, before=before, size=_size(request.page_size))
        return statements_pb2.ListStatementsResponse(
            statements=[
                mapping_statements.statement_month(month, issued, final=month < found.running)
                for month, issued in found.months
            ],
            next_page_token=mapping_statements.month_token(found.months[-1][0]) if found.more else "",
        )

    async def GetStatement(
        self, request: statements_pb2.GetStatementRequest, context: Context
    ) -> statements_pb2.GetStatementResponse:
        caller = self._caller()
        size, month = _size(request.page_size), Month.read(request.month)
        after = mapping_statements.read_line_number(month, request.page_token)
        told = await get_statement(self._office, caller, month, after=after, size=size)
        return statements_pb2.GetStatementResponse(
            statement=mapping_statements.statement_of(told.document),
            content_hash=told.content_hash.hex(),
            lines=map(mapping_statements.activity_of, told.lines),
            next_page_token=mapping_statements.line_token(month, told.until)
            if told.until < told.line_count
            else "",
        )

    def _caller(self) -> Caller:
        principal = current_principal(self._trust)
        return Caller(mapping.read_uuid(principal.account_id, "account_id"), bearer_token())


def _size(wanted: int) -> int:
    if wanted > MOST_ON_A_PAGE:
        sentence = f"page_size may be at most {MOST_ON_A_PAGE}."
        raise Invalid(sentence, code="too_many", field="page_size")
    return max(wanted, 0) or USUAL_ON_A_PAGE
