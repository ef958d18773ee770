"""The gateway as a process: builds everything, and is the only module that does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from grpc import aio
from redis.asyncio import Redis

from hub_gateway.account import Account
from hub_gateway.app import application, resources
from hub_gateway.frames import Frames
from hub_gateway.gate import Gate
from hub_gateway.limits import CONNECT_TIME_S, Limits
from hub_gateway.peers import Peers
from hub_gateway.platform import Check, Platform
from hub_gateway.quotes import Quotes
from hub_gateway.server import HttpServer, allow_many_connections
from hub_gateway.settings import GatewaySettings
from hub_gateway.submissions import Submissions
from hub_gateway.upstream import Upstream
from hub_identity import Trust
from hub_rpc import Breaker, connect, peer_state
from hub_runtime.clock import utc_now
from hub_runtime.log import get_logger
from hub_runtime.process import Process, main

log = get_logger("gateway")

JOBS = {"serve": "HTTP and WebSocket for apps, bots and browsers"}


@dataclass(frozen=True)
class Lines:
    """To every service: for calls, and to ask how it is even while it is not well."""

    channels: Mapping[str, aio.Channel]
    questions: Mapping[str, aio.Channel]
    breakers: Mapping[str, Breaker]

    def states(self) -> dict[str, Check]:
        return {peer: peer_state(channel, self.breakers[peer]) for peer, channel in self.channels.items()}


async def _connected(settings: GatewaySettings, stack: AsyncExitStack) -> Lines:
    enter, tls = stack.enter_async_context, settings.tls
    breakers = {peer: Breaker(peer) for peer in settings.targets}
    channels = {
        peer: await enter(connect(target, tls, peer, breaker=breakers[peer]))
        for peer, target in settings.targets.items()
    }
    questions = {
        peer: await enter(connect(target, tls, peer, breaker=Breaker(f"{peer} status"), healthy_only=False))
        for peer, target in settings.targets.items()
    }
    return Lines(channels, questions, breakers)


async def run(settings: GatewaySettings, _jobs: frozenset[str], process: Process) -> None:
    allow_many_connections()
    stack = process.stack
    lines = await _connected(settings, stack)
    peers = Peers.over(lines.channels)
    redis = Redis.from_url(
        settings.redis_url,
        password=settings.redis_password,
        socket_timeout=CONNECT_TIME_S,
        socket_connect_timeout=CONNECT_TIME_S,
    )
    stack.push_async_callback(redis.aclose)

    trust, frames = Trust(), Frames()
    limits = Limits(redis)
    await limits.connect()
    process.spawn(limits.watch(), "limits")
    gate = Gate(trust=trust, limits=limits, reads=settings.reads_rule)
    sockets = Quotes(
        frames=frames,
        trust=trust,
        account=Account(peers),
        market_data=peers.market_data,
        limits=settings.socket_limits,
    )
    submissions = await stack.enter_async_context(
        Submissions(peers.order, timeout_s=settings.submit_timeout.total_seconds())
    )
    process.spawn(trust.watch(lines.channels["auth"]), "trust")
    process.spawn(Upstream(peers.quote_stream, frames).follow(), "frames")
    process.spawn(sockets.watch(), "sockets")
    process.spawn(sockets.drain(process.stopping, settings.drain_s), "drain")
    process.ready("trust", trust.state)
    platform = Platform(
        gate=gate,
        channels=lines.questions,
        readiness={"trust": trust.state},
        information={"frames": frames.state, **lines.states()},
        redis=limits.redis_state,
        started_at=utc_now(),
    )

    app = application(
        resources(
            peers=peers,
            gate=gate,
            submissions=submissions,
            sockets=sockets,
            platform=platform,
            pace=settings.orders_rule,
            visits=settings.visits_rule,
        ),
        sockets=sockets,
        request_timeout_s=settings.request_timeout.total_seconds(),
        origins=settings.cors_origins,
    )
    server = HttpServer(app, settings.http_address, trusted_proxies=settings.trusted_proxies)
    await stack.enter_async_context(server)
    log.info("serving", port=server.port)
    await process.drained()


def start() -> None:
    main("gateway", "The one public interface: HTTP and WebSocket.", JOBS, GatewaySettings, run)


if __name__ == "__main__":
    start()
