"""Channels to other services, all alike: all healthy replicas in turn, one breaker each."""

from __future__ import annotations

import json
from typing import Any

from grpc import aio

from hub_rpc.breaker import Breaker
from hub_rpc.client_interceptors import Outgoing, interceptors
from hub_rpc.tls import channel_credentials
from hub_runtime.common_settings import TlsFiles

DEFAULT_TIMEOUT_S = 2.0
MESSAGE_LIMIT = 4 * 1024 * 1024

_IN_TURN: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
# The empty name is the health of the whole server: a replica that is not well gets no calls.
_HEALTHY_IN_TURN = {**_IN_TURN, "healthCheckConfig": {"serviceName": ""}}


def connect(
    target: str,
    tls: TlsFiles,
    peer: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    breaker: Breaker | None = None,
    healthy_only: bool = True,
) -> aio.Channel:
    """To be called inside the running loop and closed there (`async with`). `peer` is the name the peer's
    certificate must have. Calls raise hub_errors and take `timeout_s` at most unless told otherwise.
    Without `healthy_only` also a replica that is not well is called: to ask it why."""
    outgoing = Outgoing(peer=peer, breaker=breaker or Breaker(peer), timeout_s=timeout_s)
    return aio.secure_channel(
        target,
        channel_credentials(tls),
        options=[
            ("grpc.ssl_target_name_override", peer),
            ("grpc.service_config", json.dumps(_HEALTHY_IN_TURN if healthy_only else _IN_TURN)),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.keepalive_time_ms", 60_000),  # never more often than the server allows
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 0),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", 2_000),  # bounds an attempt, not the wait
            ("grpc.max_reconnect_backoff_ms", 5_000),
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ],
        interceptors=interceptors(outgoing),
    )
