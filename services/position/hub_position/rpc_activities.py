"""ActivityService: what happened in an account. Users ask for their own; who may name one, the call table
says."""

from __future__ import annotations

from typing import Any, Final

import grpc

from hub.position.v1 import activities_pb2, activities_pb2_grpc
from hub_errors import NotFound
from hub_identity import Trust, current_principal
from hub_position import mapping
from hub_position.store import Activities, Cuts
from hub_postgres import Pool

Context = grpc.aio.ServicerContext[Any, Any]

MOST_ON_A_PAGE: Final = 100
USUAL_ON_A_PAGE: Final = 50
MOST_BETWEEN: Final = 500
MOST_TYPES: Final = 20


class ActivityRpc(activities_pb2_grpc.ActivityServiceServicer):
    def __init__(self, *, pool: Pool, trust: Trust) -> None:
        self._store = Activities(pool)
        self._cuts = Cuts(pool)
        self._trust = trust

    async def ListActivities(
        self, request: activities_pb2.ListActivitiesRequest, context: Context
    ) -> activities_pb2.ListActivitiesResponse:
        account_id = mapping.read_uuid(current_principal(self._trust).account_id, "account_id")
        mapping.at_most(request.page_size, MOST_ON_A_PAGE, "page_size")
        mapping.at_most(len(request.types), MOST_TYPES, "types")
        size = max(request.page_size, 0) or USUAL_ON_A_PAGE
        found = await self._store.newest(
            account_id,
            mapping.read_wanted(request),
            before=mapping.read_activity_token(request.page_token),
            limit=size + 1,
        )
        return mapping.activities_page(found, size)

    async def CutLedger(
        self, request: activities_pb2.CutLedgerRequest, context: Context
    ) -> activities_pb2.CutLedgerResponse:
        account_id = mapping.read_uuid(request.account_id, "account_id")
        found = await self._cuts.cut(account_id, request.after, mapping.read_until(request))
        if found is None:
            raise NotFound("There is no such account.", code="account_not_found")
        return mapping.cut(found)

    async def ListActivitiesBetween(
        self, request: activities_pb2.ListActivitiesBetweenRequest, context: Context
    ) -> activities_pb2.ListActivitiesBetweenResponse:
        mapping.at_most(request.limit, MOST_BETWEEN, "limit")
        found = await self._store.between(
            mapping.read_uuid(request.account_id, "account_id"),
            request.after,
            request.through,
            limit=max(request.limit, 0) or MOST_BETWEEN,
        )
        return activities_pb2.ListActivitiesBetweenResponse(
            activities=[mapping.activity(each) for each in found]
        )
