"""The ASGI application: all routes, and the layers around them in their order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hub_errors import NotFound
from hub_gateway import legacy_socket
from hub_gateway.activities import Activities
from hub_gateway.admin import Admin
from hub_gateway.admin_accounts import AdminAccounts
from hub_gateway.admin_actions import AdminActions
from hub_gateway.admin_books import AdminBooks
from hub_gateway.auth import Auth
from hub_gateway.bars import History
from hub_gateway.blotter import Executions
from hub_gateway.calendars import Calendars
from hub_gateway.changes import Changes
from hub_gateway.cors import Cors
from hub_gateway.docs import Docs
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.histories import EquityHistories
from hub_gateway.instruments import Catalogue
from hub_gateway.ledger import Ledgers
from hub_gateway.legacy import Legacy
from hub_gateway.limits import Rule
from hub_gateway.market_data import MarketData
from hub_gateway.middleware import Edge, Guard
from hub_gateway.new_orders import NewOrders
from hub_gateway.operation import Access, Operation, Resource
from hub_gateway.orders import Orders
from hub_gateway.peers import Peers
from hub_gateway.platform import Platform
from hub_gateway.portfolio import Portfolio
from hub_gateway.quotes import PATH, Quotes, reject
from hub_gateway.statements import Statements
from hub_gateway.submissions import Submissions
from hub_gateway.transfers import CashTransfers
from hub_gateway.types.status import Alive
from hub_gateway.views import Views
from hub_gateway.watchlists import Watchlists


async def healthz(_: Request) -> Response:
    """Whether anybody is at home; readiness is the admin port's business."""
    return answer(Alive(status="ok"))


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotFound("There is nothing at this path.", code="unknown_path")
    if scope["type"] != "websocket":
        raise error
    await receive()
    await reject(send, error)


def application(
    resources: Sequence[Resource],
    *,
    sockets: ASGIApp,
    request_timeout_s: float,
    origins: Collection[str] = (),
) -> ASGIApp:
    """Cors, then Edge, then Guard, then the routes. A path with a slash too many is another path, never a
    redirect."""
    exact = {resource.path: resource for resource in resources if "{" not in resource.path}
    routes: list[BaseRoute] = [Route(resource.path, resource) for resource in resources]
    routes += [WebSocketRoute(path, sockets) for path in (PATH, legacy_socket.PATH)]
    router = Router(routes, redirect_slashes=False, default=nothing_here)

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        """Most paths are found without trying one pattern after the other."""
        found = exact.get(scope["path"]) if scope["type"] == "http" else None
        # An encoded slash is no separator: what stands before us judges paths as they are written.
        hidden = b"%2f" in scope["raw_path"].lower()
        await (nothing_here if hidden else found or router)(scope, receive, send)

    return Cors(Edge(Guard(routed, time_limit_s=request_timeout_s)), origins=origins)


def resources(
    *,
    peers: Peers,
    gate: Gate,
    submissions: Submissions,
    sockets: Quotes,
    platform: Platform,
    pace: Rule,
    visits: Rule,
) -> list[Resource]:
    """Every path there is, those that describe them included."""
    docs = Docs()
    new_orders = NewOrders(gate=gate, submissions=submissions, pace=pace)
    changes = Changes(peers=peers, gate=gate, pace=pace, timeout_s=submissions.timeout_s)
    found = [
        *Orders(peers=peers, gate=gate, new_orders=new_orders, changes=changes).resources(),
        *changes.resources(),
        *Executions(peers=peers, gate=gate).resources(),
        *Catalogue(peers=peers, gate=gate).resources(),
        *Calendars(peers=peers, gate=gate).resources(),
        *MarketData(peers=peers, gate=gate).resources(),
        *History(peers=peers, gate=gate).resources(),
        *Portfolio(peers=peers, gate=gate).resources(),
        *Views(peers=peers, gate=gate).resources(),
        *Activities(peers=peers, gate=gate).resources(),
        *Ledgers(peers=peers, gate=gate).resources(),
        *Statements(peers=peers, gate=gate).resources(),
        *EquityHistories(peers=peers, gate=gate).resources(),
        *Watchlists(peers=peers, gate=gate).resources(),
        *CashTransfers(peers=peers, gate=gate, pace=pace).resources(),
        *Auth(peers=peers, gate=gate, visits=visits).resources(),
        *sockets.resources(),
        *Legacy(peers=peers, gate=gate, submissions=submissions, pace=pace, visits=visits).resources(),
        *Admin(peers=peers, gate=gate).resources(),
        *AdminActions(peers=peers, gate=gate).resources(),
        *AdminAccounts(peers=peers, gate=gate).resources(),
        *AdminBooks(peers=peers, gate=gate).resources(),
        *platform.resources(),
        Resource(
            "/healthz",
            GET=Operation(
                handler=healthz,
                summary="Is anybody at home?",
                tag="platform",
                access=Access.EVERYBODY,
                asks_peers=False,
                answers={200: Alive},
            ),
        ),
        *docs.resources(),
    ]
    docs.describe(found)
    return found
