"""A gateway in this process, with keys of the test's own, over peers that run where the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from redis.asyncio import Redis

from hub.auth.v1 import auth_pb2
from hub_gateway.account import Account
from hub_gateway.app import application, resources
from hub_gateway.frames import Frames
from hub_gateway.gate import Gate
from hub_gateway.limits import Limits, Rule, WithoutRedis
from hub_gateway.operation import Resource
from hub_gateway.peers import Peers
from hub_gateway.platform import Platform
from hub_gateway.quotes import Quotes
from hub_gateway.server import HttpServer
from hub_gateway.socket_limits import SocketLimits
from hub_gateway.submissions import Submissions
from hub_gateway.upstream import Upstream
from hub_identity import Trust
from hub_rpc import connect
from hub_runtime import Address, uuid7
from tests.gateway.contract import Contract
from tests.support.tls import Tls

LOCAL = Address("127.0.0.1", 0)
PEERS = ("auth", "market-data", "order", "position", "portfolio", "quote-stream")
FRIENDLY_ORIGIN = "http://app.example.com"
NOBODY = "127.0.0.1:1"  # nothing listens there


class Signer:
    """Signs access tokens as auth does."""

    def __init__(self, kid: str = "test", key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.kid = kid
        self._key = key or ec.generate_private_key(ec.SECP256R1())

    def trusted(self, *denied: str) -> auth_pb2.WatchTrustResponse:
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        message = auth_pb2.WatchTrustResponse(snapshot=True)
        message.keys.add(kid=self.kid, algorithm="ES256", public_key_pem=pem)
        for subject in denied:
            message.denied.add(subject_id=subject).until.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
        return message

    def token(
        self,
        *,
        account_id: str | None = None,
        session_id: str | None = None,
        expires_in: timedelta = timedelta(minutes=10),
        roles: Sequence[str] = ("user",),
    ) -> str:
        now = datetime.now(UTC)
        claims: dict[str, Any] = {
            "sub": str(uuid7()),
            "acc": account_id or str(uuid7()),
            "sid": session_id or str(uuid7()),
            "roles": list(roles),
            "iat": now,
            "exp": now + expires_in,
            "iss": "hub",
            "aud": "hub",
        }
        return jwt.encode(claims, self._key, "ES256", headers={"kid": self.kid})


@dataclass
class Gateway:
    url: str
    signer: Signer
    trust: Trust
    frames: Frames
    sockets: Quotes
    http: httpx.AsyncClient
    stopping: asyncio.Event
    routes: Sequence[Resource]

    @property
    def stream_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}/api/v1/stream"

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.signer.token(**claims)}"}


def rules(orders: int = 10_000, reads: int = 10_000, visits: int = 10_000) -> dict[str, Rule]:
    return {
        "orders": Rule(name="orders", limit=orders, lease=max(1, orders // 50)),
        "reads": Rule(name="reads", limit=reads, lease=max(1, reads // 50)),
        "visits": Rule(name="visits", limit=visits, without_redis=WithoutRedis.CLOSED),
    }


@asynccontextmanager
async def running_gateway(
    tls: Tls,
    redis_dsn: str,
    *,
    targets: Mapping[str, str] | None = None,
    paces: Mapping[str, Rule] | None = None,
    limits: SocketLimits | None = None,
    submit_timeout_s: float = 5.0,
    request_timeout_s: float = 15.0,
    address: Address = LOCAL,
    signer: Signer | None = None,
) -> AsyncIterator[Gateway]:
    """Follows quote-stream where `targets` name it."""
    targets, paces = targets or {}, paces or rules()
    files = tls.files("gateway")
    async with AsyncExitStack() as stack:
        channels = {
            peer: await stack.enter_async_context(connect(targets.get(peer, NOBODY), files, peer))
            for peer in PEERS
        }
        redis = Redis.from_url(redis_dsn, socket_timeout=0.25, socket_connect_timeout=0.25)
        stack.push_async_callback(redis.aclose)
        peers, trust, frames, signer = Peers.over(channels), Trust(), Frames(), signer or Signer()
        trust.apply(signer.trusted())
        sockets = Quotes(
            frames=frames,
            trust=trust,
            account=Account(peers),
            market_data=peers.market_data,
            limits=limits or SocketLimits(frame_s=0.01),
        )
        submissions = await stack.enter_async_context(Submissions(peers.order, timeout_s=submit_timeout_s))
        counts = Limits(redis)
        gate = Gate(trust=trust, limits=counts, reads=paces["reads"])
        routes = resources(
            peers=peers,
            gate=gate,
            submissions=submissions,
            sockets=sockets,
            platform=Platform(
                gate=gate,
                channels=channels,
                readiness={"trust": trust.state},
                information={"frames": frames.state},
                redis=counts.redis_state,
                started_at=datetime.now(UTC),
            ),
            pace=paces["orders"],
            visits=paces["visits"],
        )
        app = application(
            routes, sockets=sockets, request_timeout_s=request_timeout_s, origins=[FRIENDLY_ORIGIN]
        )
        stopping = asyncio.Event()
        jobs = [sockets.watch(), sockets.drain(stopping, 0.2)]
        if "quote-stream" in targets:
            jobs.append(Upstream(peers.quote_stream, frames).follow())
        await stack.enter_async_context(running(*jobs))
        server = await stack.enter_async_context(HttpServer(app, address))
        url = f"http://127.0.0.1:{server.port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20, trust_env=False))
        # Whatever a test asks through this client must be answered as the gateway's own document says.
        contract = Contract((await http.get("/openapi.json")).json())
        http.event_hooks = {"response": [contract.check]}
        yield Gateway(url, signer, trust, frames, sockets, http, stopping, routes)


@asynccontextmanager
async def running(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Forever-jobs, until the block ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
