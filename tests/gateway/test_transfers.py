"""Cash in and out over HTTP: what is asked of position, and what is refused before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub.position.v1 import position_pb2
from hub_errors import Refused
from hub_runtime import uuid7
from tests.gateway.canned import Peers, canned
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ACCOUNT = "01a20e32-4061-7f11-9c02-7b1d4e8a6f35"
DEPOSITS, WITHDRAWALS = "/api/v1/deposits", "/api/v1/withdrawals"
ADJUSTMENTS = f"/api/v1/admin/accounts/{ACCOUNT}/adjustments"
REASON = {"reason": "the outage of Monday"}


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        moved = position_pb2.CashMovement(movement_id=str(uuid7()), kind="deposit", amount="250.5")
        moved.moved_at.GetCurrentTime()
        made.answers = {
            "Deposit": position_pb2.DepositResponse(movement=moved),
            "Withdraw": position_pb2.WithdrawResponse(movement=moved, replayed=True),
            "AdjustCash": position_pb2.AdjustCashResponse(movement=moved),
            "ListCashMovements": position_pb2.ListCashMovementsResponse(
                movements=[moved], next_page_token="next"
            ),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        yield gateway


async def post(gateway: Gateway, path: str, body: Any, key: str = "") -> httpx.Response:
    headers = gateway.bearer(roles=("user", "admin")) | ({"idempotency-key": key} if key else {})
    return await gateway.http.post(path, json=body, headers=headers)


@pytest.mark.parametrize("amount", ["250.50", 250.5, "250.5000"])
async def test_a_deposit_is_asked_for_with_its_amount_and_key(
    gateway: Gateway, peers: Peers, amount: Any
) -> None:
    answer = await post(gateway, DEPOSITS, {"amount": amount}, "k1")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["kind"], answer.json()["amount"]) == ("deposit", "250.5")
    assert "idempotency-replayed" not in answer.headers
    [asked] = peers.asked["Deposit"]
    assert (asked.amount, asked.idempotency_key) == ("250.5", "k1")


async def test_a_first_answer_that_comes_again_says_so(gateway: Gateway) -> None:
    answer = await post(gateway, WITHDRAWALS, {"amount": "250.50"}, "k1")
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")


async def test_an_adjustment_has_either_sign_and_a_reason(gateway: Gateway, peers: Peers) -> None:
    answer = await post(gateway, ADJUSTMENTS, {"amount": "-12.50", **REASON})
    assert answer.status_code == 201, answer.text
    [asked] = peers.asked["AdjustCash"]
    assert (asked.account_id, asked.amount, asked.reason) == (ACCOUNT, "-12.5", REASON["reason"])


async def test_transfers_come_in_pages(gateway: Gateway, peers: Peers) -> None:
    answer = await gateway.http.get("/api/v1/transfers?page_size=1", headers=gateway.bearer())
    assert answer.status_code == 200, answer.text
    assert (len(answer.json()["transfers"]), answer.json()["next_page_token"]) == (1, "next")
    [asked] = peers.asked["ListCashMovements"]
    assert asked.page_size == 1


async def test_only_administrators_adjust(gateway: Gateway, peers: Peers) -> None:
    for roles in (("user",), ("user", "support")):
        answer = await gateway.http.post(
            ADJUSTMENTS, json={"amount": "1", **REASON}, headers=gateway.bearer(roles=roles)
        )
        problem(answer, 403, "role_required")
    assert not peers.asked


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-1", "not_positive"),
        ("0", "not_positive"),
        ("0.00", "not_positive"),
        ("1e3", "invalid_decimal"),
        ("NaN", "invalid_decimal"),
        ("Infinity", "invalid_decimal"),
        ("", "invalid_decimal"),
        ("1000000000000", "too_large"),
        ("0.000000001", "too_precise"),
        (None, "wrong_type"),
        (True, "wrong_type"),
        (["1"], "wrong_type"),
    ],
)
@pytest.mark.parametrize("path", [DEPOSITS, WITHDRAWALS])
async def test_what_is_no_amount_is_refused_before_anybody_is_asked(
    lonely: Gateway, path: str, amount: Any, code: str
) -> None:
    problem(await post(lonely, path, {"amount": amount}), 400, code, "amount")


@pytest.mark.parametrize("amount", ["1.001", 1.001, "0.00000001"])
@pytest.mark.parametrize("path", [DEPOSITS, WITHDRAWALS])
async def test_who_sends_less_than_a_cent_is_told_how_many_places_there_are(
    lonely: Gateway, path: str, amount: Any
) -> None:
    document = problem(await post(lonely, path, {"amount": amount}), 400, "too_precise", "amount")
    assert document["detail"] == "amount has more than 2 decimal places."


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        (DEPOSITS, {}, "missing_field", "amount"),
        (DEPOSITS, {"amount": "1", "currency": "EUR"}, "unknown_field", "currency"),
        (ADJUSTMENTS, {"amount": "1"}, "missing_field", "reason"),
        (ADJUSTMENTS, {"amount": "1", "reason": " "}, "invalid_reason", "reason"),
    ],
)
async def test_what_is_missing_or_unknown_is_named(
    lonely: Gateway, path: str, body: Any, code: str, field: str
) -> None:
    problem(await post(lonely, path, body), 400, code, field)


async def test_a_key_that_is_too_long_is_refused(lonely: Gateway) -> None:
    answer = await post(lonely, DEPOSITS, {"amount": "1"}, "k" * 256)
    problem(answer, 400, "invalid_idempotency_key", "Idempotency-Key")


async def test_a_refusal_comes_with_its_sentence(gateway: Gateway, peers: Peers) -> None:
    sentence = "At most 3 can be withdrawn."
    peers.answers["Withdraw"] = Refused(sentence, code="insufficient_withdrawable", field="amount")
    answer = await post(gateway, WITHDRAWALS, {"amount": "4"})
    problem(answer, 422, "insufficient_withdrawable", "amount")
    assert answer.json()["detail"] == sentence
