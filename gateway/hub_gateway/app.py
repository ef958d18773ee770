"""The ASGI application: all routes, and the layers around them in their order."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hub_errors import NotFound
from hub_gateway.auth import Auth
from hub_gateway.exchange import Request, Resource, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.limits import Rule
from hub_gateway.market_data import MarketData
from hub_gateway.middleware import Edge, Guard
from hub_gateway.orders import Orders
from hub_gateway.peers import Peers
from hub_gateway.portfolio import Portfolio
from hub_gateway.quotes import PATH, Quotes, reject
from hub_gateway.submissions import Submissions


async def healthz(_: Request) -> Response:
    """Whether anybody is at home; readiness is the admin port's business."""
    return answer({"status": "ok"})


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotFound("There is nothing at this path.", code="unknown_path")
    if scope["type"] != "websocket":
        raise error
    await receive()
    await reject(send, error)


def application(resources: Sequence[Resource], *, sockets: ASGIApp, request_timeout_s: float) -> ASGIApp:
    """Edge, then Guard, then the routes. A path with a slash too many is another path, never a redirect."""
    exact = {resource.path: resource for resource in resources if "{" not in resource.path}
    routes: list[BaseRoute] = [Route(resource.path, resource) for resource in resources]
    routes.append(WebSocketRoute(PATH, sockets))
    router = Router(routes, redirect_slashes=False, default=nothing_here)

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        """Most paths are found without trying one pattern after the other."""
        found = exact.get(scope["path"]) if scope["type"] == "http" else None
        await (found or router)(scope, receive, send)

    return Edge(Guard(routed, time_limit_s=request_timeout_s))


def resources(
    *, peers: Peers, gate: Gate, submissions: Submissions, sockets: Quotes, pace: Rule, visits: Rule
) -> list[Resource]:
    """Every path there is."""
    return [
        *Orders(peers=peers, gate=gate, submissions=submissions, pace=pace).resources(),
        *MarketData(peers=peers, gate=gate).resources(),
        *Portfolio(peers=peers, gate=gate).resources(),
        *Auth(peers=peers, gate=gate, visits=visits).resources(),
        *sockets.resources(),
        Resource("/healthz", GET=healthz),
    ]
