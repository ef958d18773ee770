"""CorporateActionService: message -> values -> use case -> message. Only the order service may call it."""

from __future__ import annotations

from typing import Any

import grpc

from hub.position.v1 import corporate_actions_pb2, corporate_actions_pb2_grpc
from hub_position import mapping
from hub_position.usecases import apply_action
from hub_postgres import Pool
from hub_runtime import Clock, counter, get_logger

Context = grpc.aio.ServicerContext[Any, Any]

APPLIED = counter(
    "hub_position_action_accounts_total",
    "Accounts that corporate actions were applied to, by type",
    ("type",),
)

log = get_logger("actions")


class CorporateActionRpc(corporate_actions_pb2_grpc.CorporateActionServiceServicer):
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def ApplyCorporateAction(
        self, request: corporate_actions_pb2.ApplyCorporateActionRequest, context: Context
    ) -> corporate_actions_pb2.ApplyCorporateActionResponse:
        action = mapping.read_action(request)
        progress = await apply_action(action, pool=self._pool, now=self._clock())
        APPLIED.labels(action.type.value).inc(progress.accounts)
        if progress.accounts:
            log.info(
                "action_applied",
                action_id=action.action_id,
                symbol=action.symbol,
                type=action.type.value,
                accounts=progress.accounts,
                left=progress.left,
            )
        return mapping.action_progress(progress)
