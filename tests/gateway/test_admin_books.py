"""Administrators read how orders and the books fit together, and nobody else does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.order.v1 import order_pb2
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import filled
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

PATH = "/api/v1/admin/reconciliation"


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        yield gateway


async def test_the_newest_pass_is_told_with_every_difference(gateway: Gateway, peers: Peers) -> None:
    difference = filled(order_pb2.Difference())
    counts = {"accounts": 1, "executions": 2, "trades": 3, "holds": 4, "orders": 5, "too_long": 6}
    found = order_pb2.Reconciliation(counts=counts, differences=[difference, order_pb2.Difference()], more=7)
    for number, name in enumerate(("finished_at", "since", "cut")):
        getattr(found, name).FromSeconds(1_800_000_000 + number)
    peers.answers["GetReconciliation"] = order_pb2.GetReconciliationResponse(reconciliation=found)
    answer = await gateway.http.get(PATH, headers=gateway.bearer(roles=("user", "admin")))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["counts"] == counts
    times = [told[name].split(":")[-1] for name in ("finished_at", "since", "cut")]
    assert (times, told["more"]) == (["00.000000Z", "01.000000Z", "02.000000Z"], 7)
    first, second = told["differences"]
    names = ("kind", "account_id", "id", "order_id", "expected", "found")
    assert [first[name] for name in names] == [getattr(difference, name) for name in names]
    assert (second["id"], second["order_id"], second["first_seen_at"]) == (None, None, None)


async def test_before_the_first_pass_nothing_is_known(gateway: Gateway, peers: Peers) -> None:
    peers.answers["GetReconciliation"] = order_pb2.GetReconciliationResponse()
    told = (await gateway.http.get(PATH, headers=gateway.bearer(roles=("user", "admin")))).json()
    assert (told["finished_at"], told["counts"], told["differences"]) == (None, None, [])


async def test_nobody_else_reads_it(gateway: Gateway, peers: Peers) -> None:
    for roles in (("user",), ("user", "support")):
        answer = await gateway.http.get(PATH, headers=gateway.bearer(roles=roles))
        problem(answer, 403, "role_required")
    assert "GetReconciliation" not in peers.asked
