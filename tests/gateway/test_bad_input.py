"""Every route answers bad input with a problem document that has a stable code, whatever is wrong."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.gateway.world import Gateway, Signer


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    body: dict[str, Any] | None = None
    public: bool = False
    optional: str = ""  # a member that another one can stand for

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ORDER = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "10"}
LIMIT = {**ORDER, "type": "LIMIT", "limit_price": "100.00"}
ORDER_ID = "01a20e32-4587-7d3b-8a5e-2f0c6b1d9e47"
CREDENTIALS = {"email": "a@example.com", "password": "correct horse battery"}

ROUTES = [
    Route("POST", "/api/v1/auth/register", {**CREDENTIALS, "name": "Ada"}, public=True),
    Route("POST", "/api/v1/auth/login", CREDENTIALS, public=True),
    Route("POST", "/api/v1/auth/refresh", {"refresh_token": "x"}, public=True),
    Route("POST", "/api/v1/auth/logout"),
    Route("GET", "/api/v1/me"),
    Route("GET", "/api/v1/instruments"),
    Route("GET", "/api/v1/market-data/AAPL"),
    Route("POST", "/api/v1/market-data/batch", {"symbols": ["AAPL"]}),
    Route("POST", "/api/v1/orders", ORDER, optional="quantity"),
    Route("GET", "/api/v1/orders"),
    Route("DELETE", "/api/v1/orders"),
    Route("GET", f"/api/v1/orders/{ORDER_ID}"),
    Route("GET", f"/api/v1/orders/{ORDER_ID}/status"),
    Route("PUT", f"/api/v1/orders/{ORDER_ID}/cancel"),
    Route("PATCH", f"/api/v1/orders/{ORDER_ID}", {"quantity": "5"}, optional="quantity"),
    Route("GET", f"/api/v1/orders/{ORDER_ID}/events"),
    Route("GET", "/api/v1/executions"),
    Route("GET", "/api/v1/executions.csv"),
    Route("GET", "/api/v1/positions"),
    Route("POST", "/api/v1/positions/AAPL/close"),
    Route("GET", "/api/v1/balance"),
    Route("GET", "/api/v1/activities"),
    Route("GET", "/api/v1/activities.csv"),
    Route("GET", "/api/v1/ledger"),
    Route("GET", "/api/v1/statements"),
    Route("GET", "/api/v1/statements/2026-11"),
    Route("GET", "/api/v1/statements/2026-11.csv"),
    Route("GET", "/api/v1/positions/AAPL/views"),
    Route("POST", "/api/v1/positions/AAPL/views", {"name": "Half", "quantity": "5"}, optional="quantity"),
    Route("DELETE", f"/api/v1/positions/AAPL/views/{ORDER_ID}"),
    Route("POST", f"/api/v1/positions/AAPL/views/{ORDER_ID}/merge", {"into": ORDER_ID}),
    Route("GET", "/api/v1/portfolio/summary"),
    Route("GET", "/api/v1/portfolio/allocation"),
    Route("GET", "/api/v1/watchlists"),
    Route("POST", "/api/v1/watchlists", {"name": "Technology", "symbols": ["AAPL"]}, optional="symbols"),
    Route("GET", f"/api/v1/watchlists/{ORDER_ID}"),
    Route("PATCH", f"/api/v1/watchlists/{ORDER_ID}", {"name": "Technology"}, optional="name"),
    Route("DELETE", f"/api/v1/watchlists/{ORDER_ID}"),
    Route("POST", f"/api/v1/watchlists/{ORDER_ID}/symbols", {"symbol": "AAPL"}),
    Route("DELETE", f"/api/v1/watchlists/{ORDER_ID}/symbols/AAPL"),
]
PRIVATE = [route for route in ROUTES if not route.public]
WITH_BODY = [route for route in ROUTES if route.body is not None]


def problem(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code, document
    assert document["type"] == f"urn:hub:problem:{code}"
    assert document["title"]
    assert document["detail"]
    assert len(document["trace_id"]) == 32
    assert document.get("field") == field, document
    return document


async def send(gateway: Gateway, route: Route, **options: Any) -> httpx.Response:
    headers = {**gateway.bearer(), **options.pop("headers", {})}
    if "content" not in options and route.body is not None:
        options["json"] = options.pop("body", route.body)
    elif "content" in options:
        headers.setdefault("content-type", "application/json")
    return await gateway.http.request(route.method, route.path, headers=headers, **options)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize("content", [b"", b"{", b"{]", b'{"a": NaN}', b'"\xff"', b'{"symbol": "\\ud800"}'])
async def test_malformed_json(lonely: Gateway, route: Route, content: bytes) -> None:
    answer = await send(lonely, route, content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"malformed_json", "unknown_field", "wrong_type"}, answer.text


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize("content", [b"[]", b"null", b"7", b'"text"', b"true"])
async def test_a_body_that_is_no_object(lonely: Gateway, route: Route, content: bytes) -> None:
    problem(await send(lonely, route, content=content), 400, "wrong_type")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_json_nested_beyond_reason(lonely: Gateway, route: Route) -> None:
    content = b'{"quantity":' + b"[" * 50_000
    answer = await send(lonely, route, content=content)
    assert answer.status_code == 400


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_each_missing_field_is_named(lonely: Gateway, route: Route) -> None:
    assert route.body is not None
    for name in route.body.keys() - {route.optional}:
        rest = {key: value for key, value in route.body.items() if key != name}
        problem(await send(lonely, route, body=rest), 400, "missing_field", name)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_each_field_of_a_wrong_type_is_named(lonely: Gateway, route: Route) -> None:
    assert route.body is not None
    for name in route.body:
        answer = await send(lonely, route, body={**route.body, name: {"not": "this"}})
        problem(answer, 400, "wrong_type", name)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_an_unknown_field_is_refused(lonely: Gateway, route: Route) -> None:
    assert route.body is not None
    problem(await send(lonely, route, body={**route.body, "extra": 1}), 400, "unknown_field", "extra")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_a_query_where_none_belongs_is_refused(lonely: Gateway, route: Route) -> None:
    path = f"{route.path}?x=1"
    answer = await lonely.http.request(route.method, path, headers=lonely.bearer(), json=route.body)
    problem(answer, 400, "unknown_parameter")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize(
    "headers", [{"content-encoding": "gzip"}, {"content-type": "application/json; charset=utf-16"}]
)
async def test_a_body_in_another_encoding_is_refused(
    lonely: Gateway, route: Route, headers: dict[str, str]
) -> None:
    answer = await send(lonely, route, content=json.dumps(route.body).encode(), headers=headers)
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_a_field_that_is_there_twice_is_refused(lonely: Gateway, route: Route) -> None:
    assert route.body is not None
    name, value = next(iter(route.body.items()))
    twice = json.dumps(route.body)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
    problem(await send(lonely, route, content=twice.encode()), 400, "repeated_field", name)


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_a_body_that_is_too_large(lonely: Gateway, route: Route) -> None:
    problem(await send(lonely, route, content=b" " * 65_537), 413, "body_too_large")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
async def test_a_body_that_is_too_large_and_does_not_say_so(lonely: Gateway, route: Route) -> None:
    async def chunks() -> Any:
        for _ in range(17):
            yield b" " * 4096

    problem(await send(lonely, route, content=chunks()), 413, "body_too_large")


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
)
async def test_a_body_that_is_not_said_to_be_json(lonely: Gateway, route: Route, media: str) -> None:
    content = json.dumps(route.body).encode()
    answer = await send(lonely, route, content=content, headers={"content-type": media})
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("route", PRIVATE, ids=str)
async def test_no_token(lonely: Gateway, route: Route) -> None:
    answer = await lonely.http.request(route.method, route.path, json=route.body)
    problem(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", PRIVATE, ids=str)
@pytest.mark.parametrize("header", ["", "Bearer", "Basic YTpi", "abc"])
async def test_a_header_that_is_no_bearer(lonely: Gateway, route: Route, header: str) -> None:
    problem(await send(lonely, route, headers={"authorization": header}), 401, "token_malformed")


@pytest.mark.parametrize("route", PRIVATE, ids=str)
async def test_a_truncated_token(lonely: Gateway, route: Route) -> None:
    token = lonely.signer.token()
    for cut in (
        token[:-1],
        token[: len(token) // 2],
        token.rpartition(".")[0],
        "a.b.c",
        "é" * 10,
        "x" * 5000,
    ):
        answer = await send(lonely, route, headers={"authorization": f"Bearer {cut}".encode()})
        assert answer.status_code == 401, cut
        assert answer.json()["code"] in {"token_malformed", "token_invalid"}


@pytest.mark.parametrize("route", PRIVATE, ids=str)
async def test_a_forged_token(lonely: Gateway, route: Route) -> None:
    for forger in (Signer(), Signer("another-kid")):
        answer = await send(lonely, route, headers={"authorization": f"Bearer {forger.token()}"})
        problem(answer, 401, "token_invalid")


@pytest.mark.parametrize("route", PRIVATE, ids=str)
async def test_a_token_that_claims_to_need_no_signature(lonely: Gateway, route: Route) -> None:
    _, claims, _ = lonely.signer.token().split(".")
    head = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoidGVzdCJ9"  # {"alg":"none","typ":"JWT","kid":"test"}
    answer = await send(lonely, route, headers={"authorization": f"Bearer {head}.{claims}."})
    assert answer.status_code == 401


@pytest.mark.parametrize("route", PRIVATE, ids=str)
async def test_an_expired_token(lonely: Gateway, route: Route) -> None:
    answer = await send(lonely, route, headers=lonely.bearer(expires_in=timedelta(seconds=-1)))
    problem(answer, 401, "token_expired")


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_wrong_method(lonely: Gateway, route: Route) -> None:
    allowed = {other.method for other in ROUTES if other.path == route.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        answer = await lonely.http.request(method, route.path, headers=lonely.bearer())
        problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) >= allowed


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_options_tells_what_is_allowed(lonely: Gateway, route: Route) -> None:
    answer = await lonely.http.options(route.path)
    assert answer.status_code == 204
    assert route.method in answer.headers["allow"]
    assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("change", ["{}/", "{}x/y", "/x{}", "{}//"])
async def test_a_path_that_leads_nowhere_is_never_a_redirect(
    lonely: Gateway, route: Route, change: str
) -> None:
    answer = await lonely.http.request(route.method, change.format(route.path), headers=lonely.bearer())
    problem(answer, 404, "unknown_path")


@pytest.mark.parametrize(
    "path", ["/", "//", "/api", "/api/v1", "/API/V1/ORDERS", "/api/v1/orders/a/b/c", "/%00"]
)
async def test_an_unknown_path(lonely: Gateway, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await lonely.http.send(httpx.Request(method, lonely.url + path))
        problem(answer, 404, "unknown_path")


@pytest.mark.parametrize("route", [r for r in PRIVATE if r.method == "GET"], ids=str)
async def test_an_unknown_query_parameter(lonely: Gateway, route: Route) -> None:
    problem(await send(lonely, route, params={"colour": "red"}), 400, "unknown_parameter")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"quantity": 0}, "not_positive", "quantity"),
        ({"quantity": "-1"}, "not_positive", "quantity"),
        ({"quantity": -1}, "not_positive", "quantity"),
        ({"quantity": "0.000000001"}, "too_precise", "quantity"),
        ({"quantity": "1.123456789"}, "too_precise", "quantity"),
        ({"quantity": "1000000000000"}, "too_large", "quantity"),
        ({"quantity": "1e3"}, "invalid_decimal", "quantity"),
        ({"quantity": "NaN"}, "invalid_decimal", "quantity"),
        ({"quantity": "Infinity"}, "invalid_decimal", "quantity"),
        ({"quantity": ""}, "invalid_decimal", "quantity"),
        ({"quantity": " 1"}, "invalid_decimal", "quantity"),
        ({"quantity": "1,000"}, "invalid_decimal", "quantity"),
        ({"quantity": "ten"}, "invalid_decimal", "quantity"),
        ({"quantity": "9" * 5000}, "too_large", "quantity"),
        ({"quantity": True}, "wrong_type", "quantity"),
        ({"quantity": ["1"]}, "wrong_type", "quantity"),
        ({"quantity": None}, "quantity_required", "quantity"),
        ({"limit_price": "10"}, "price_not_allowed", "limit_price"),
        ({"limit_price": 10}, "price_not_allowed", "limit_price"),
        ({"type": "LIMIT"}, "price_required", "limit_price"),
        ({"type": "LIMIT", "limit_price": None}, "price_required", "limit_price"),
        ({"type": "LIMIT", "limit_price": "0"}, "not_positive", "limit_price"),
        ({"type": "LIMIT", "limit_price": "-5"}, "not_positive", "limit_price"),
        ({"type": "LIMIT", "limit_price": "1.000000001"}, "too_precise", "limit_price"),
        ({"type": "LIMIT", "limit_price": False}, "wrong_type", "limit_price"),
        ({"type": "STOP"}, "invalid_value", "type"),
        ({"side": "buy"}, "invalid_value", "side"),
        ({"side": 1}, "wrong_type", "side"),
        ({"time_in_force": "FOREVER"}, "invalid_value", "time_in_force"),
        ({"symbol": ""}, "invalid_symbol", "symbol"),
        ({"symbol": "aapl"}, "invalid_symbol", "symbol"),
        ({"symbol": "A" * 17}, "invalid_symbol", "symbol"),
        ({"symbol": "AA PL"}, "invalid_symbol", "symbol"),
        ({"symbol": "AAPL\u0000"}, "invalid_symbol", "symbol"),
        ({"symbol": 7}, "wrong_type", "symbol"),
        ({"client_order_id": "x" * 65}, "invalid_length", "client_order_id"),
        ({"client_order_id": "a\nb"}, "invalid_characters", "client_order_id"),
        ({"client_order_id": 5}, "wrong_type", "client_order_id"),
    ],
    ids=str,
)
async def test_an_order_that_can_never_be_right(
    lonely: Gateway, change: dict[str, Any], code: str, field: str
) -> None:
    answer = await send(
        lonely, Route("POST", "/api/v1/orders"), content=json.dumps({**ORDER, **change}).encode()
    )
    problem(answer, 400, code, field)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0.100000000000000005551115123125", "too_precise"),  # a float would have made 0.1 of it
        ("10.000000000000000000000000000001", "too_precise"),
        ("1e2", "invalid_decimal"),
        ("0.0", "not_positive"),
        ("1" * 4000, "too_large"),
    ],
)
async def test_numbers_are_read_digit_by_digit(lonely: Gateway, text: str, code: str) -> None:
    content = json.dumps(ORDER).replace('"10"', text).encode()
    answer = await send(lonely, Route("POST", "/api/v1/orders"), content=content)
    problem(answer, 400, code, "quantity")


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ".encode(), "a\tb"])
async def test_an_idempotency_key_nobody_can_read(lonely: Gateway, key: str | bytes) -> None:
    route = Route("POST", "/api/v1/orders", ORDER)
    answer = await send(lonely, route, headers={"idempotency-key": key})
    problem(answer, 400, "invalid_idempotency_key", "Idempotency-Key")


async def test_two_idempotency_keys(lonely: Gateway) -> None:
    headers = [*lonely.bearer().items(), ("idempotency-key", "a"), ("idempotency-key", "b")]
    answer = await lonely.http.post("/api/v1/orders", json=ORDER, headers=headers)
    problem(answer, 400, "repeated_header", "idempotency-key")


@pytest.mark.parametrize(
    "order_id", ["1", "not-an-id", ORDER_ID[:-1], f"{{{ORDER_ID}}}", ORDER_ID.replace("-", "")]
)
@pytest.mark.parametrize(
    ("method", "rest"), [("GET", ""), ("GET", "/status"), ("GET", "/events"), ("PUT", "/cancel")]
)
async def test_an_order_id_that_cannot_be_one(lonely: Gateway, order_id: str, method: str, rest: str) -> None:
    answer = await send(lonely, Route(method, f"/api/v1/orders/{order_id}{rest}"))
    problem(answer, 404, "order_not_found")


@pytest.mark.parametrize("symbol", ["aapl", "A" * 17, "A%20B", "%00", "é"])
async def test_a_symbol_that_cannot_be_one(lonely: Gateway, symbol: str) -> None:
    answer = await send(lonely, Route("GET", f"/api/v1/market-data/{symbol}"))
    problem(answer, 404, "unknown_symbol", "symbol")


@pytest.mark.parametrize(
    ("symbols", "code", "field"),
    [
        ([], "invalid_length", "symbols"),
        (["AAPL"] * 101, "invalid_length", "symbols"),
        (["AAPL", "x y"], "invalid_symbol", "symbols[1]"),
        (["AAPL", 5], "wrong_type", "symbols[1]"),
        ("AAPL", "wrong_type", "symbols"),
    ],
)
async def test_a_batch_of_symbols(lonely: Gateway, symbols: Any, code: str, field: str) -> None:
    answer = await send(lonely, Route("POST", "/api/v1/market-data/batch", {"symbols": symbols}))
    problem(answer, 400, code, field)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/orders?page_size=0", "invalid_value"),
        ("/api/v1/orders?page_size=101", "invalid_value"),
        ("/api/v1/orders?page_size=-1", "invalid_value"),
        ("/api/v1/orders?page_size=ten", "invalid_value"),
        ("/api/v1/orders?page_size=%D9%A1", "invalid_value"),
        ("/api/v1/orders?page_size=5&page_size=6", "repeated_parameter"),
        ("/api/v1/orders?open_only=yes", "invalid_value"),
        ("/api/v1/orders?page_token=" + "x" * 513, "invalid_length"),
        ("/api/v1/orders?page_token=%00", "invalid_characters"),
        ("/api/v1/orders?page_size=%FF", "malformed_query"),
        ("/api/v1/activities?page_size=1000", "invalid_value"),
        ("/api/v1/positions?include_closed=1", "invalid_value"),
    ],
)
async def test_query_parameters(lonely: Gateway, path: str, code: str) -> None:
    answer = await send(lonely, Route("GET", path))
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == code


async def test_a_name_with_control_characters(lonely: Gateway) -> None:
    body = {**CREDENTIALS, "name": "A\u0000da"}
    answer = await send(lonely, Route("POST", "/api/v1/auth/register", body))
    problem(answer, 400, "invalid_characters", "name")


async def test_plain_http_on_the_stream(lonely: Gateway) -> None:
    answer = await send(lonely, Route("GET", "/api/v1/stream"))
    problem(answer, 426, "upgrade_required")


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_peer_that_is_away_is_told_in_time(lonely: Gateway, route: Route) -> None:
    async with asyncio.timeout(10):
        answer = await send(lonely, route)
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in {"peer_unavailable", "in_doubt"}
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/nothing", "/api/v1/me"])
async def test_every_answer_has_the_security_headers_and_an_id(lonely: Gateway, path: str) -> None:
    answer = await lonely.http.get(path, headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers
    own = (await lonely.http.get(path, headers={"x-request-id": "not sane\x01"[:8]})).headers["x-request-id"]
    assert own != "not sane"


async def test_head_is_get_without_the_body(lonely: Gateway) -> None:
    got, head = await lonely.http.get("/healthz"), await lonely.http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    nothing = await lonely.http.head("/api/v1/nothing")
    assert (nothing.status_code, nothing.content) == (404, b"")


@pytest.mark.parametrize("path", ["/api/v1%2Fme", "/api%2fv1/me", "/api/v1/market-data/AAPL%2Fbars"])
async def test_an_encoded_slash_is_no_separator(lonely: Gateway, path: str) -> None:
    # A client of its own: the document knows paths as they are read, so it cannot be held against this one.
    async with httpx.AsyncClient(base_url=lonely.url, trust_env=False) as http:
        problem(await http.get(path, headers=lonely.bearer()), 404, "unknown_path")


async def test_headers_that_are_too_large_are_refused_also_when_they_come_at_once(lonely: Gateway) -> None:
    answer = await lonely.http.get("/healthz", headers={"x-large": "a" * 100_000})
    problem(answer, 431, "headers_too_large")
