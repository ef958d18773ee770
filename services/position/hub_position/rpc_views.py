"""ViewService: message -> values -> use case -> message. Whose position it is, the verified token says."""

from __future__ import annotations

from typing import Any

import grpc

from hub.position.v1 import views_pb2, views_pb2_grpc
from hub_identity import Trust, current_principal
from hub_position import mapping
from hub_position.domain.views import read_size
from hub_position.store import Views
from hub_position.usecases.views import Place, create_view, list_views, merge_view
from hub_postgres import Pool
from hub_runtime import Clock
from hub_texts import read_name

Context = grpc.aio.ServicerContext[Any, Any]


class ViewRpc(views_pb2_grpc.ViewServiceServicer):
    def __init__(self, *, pool: Pool, trust: Trust, clock: Clock) -> None:
        self._store = Views(pool)
        self._trust = trust
        self._clock = clock

    async def CreateView(
        self, request: views_pb2.CreateViewRequest, context: Context
    ) -> views_pb2.CreateViewResponse:
        found, view_id = await create_view(
            self._place(request.symbol),
            name=read_name(request.name),
            size=read_size(request.quantity, request.percentage),
            store=self._store,
            now=self._clock(),
        )
        return views_pb2.CreateViewResponse(position=mapping.viewed_position(found), view_id=str(view_id))

    async def ListViews(
        self, request: views_pb2.ListViewsRequest, context: Context
    ) -> views_pb2.ListViewsResponse:
        found = await list_views(self._place(request.symbol), store=self._store)
        return views_pb2.ListViewsResponse(position=mapping.viewed_position(found))

    async def MergeView(
        self, request: views_pb2.MergeViewRequest, context: Context
    ) -> views_pb2.MergeViewResponse:
        into = mapping.read_uuid(request.into_view_id, "into") if request.into_view_id else None
        view_id = mapping.read_uuid(request.view_id, "view_id")
        found = await merge_view(self._place(request.symbol), view_id, into, store=self._store)
        return views_pb2.MergeViewResponse(position=mapping.viewed_position(found))

    def _place(self, symbol: str) -> Place:
        principal = current_principal(self._trust)
        return Place(mapping.read_uuid(principal.account_id, "account_id"), symbol)
