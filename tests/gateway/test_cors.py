"""Pages of listed origins may read answers, of no others."""

from __future__ import annotations

from tests.gateway.world import FRIENDLY_ORIGIN, Gateway

ASKING = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,idempotency-key",
}


async def test_a_listed_origin_is_told_beforehand_what_it_may_send(lonely: Gateway) -> None:
    answer = await lonely.http.options("/api/v1/orders", headers={"origin": FRIENDLY_ORIGIN, **ASKING})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == FRIENDLY_ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "origin"


async def test_it_may_read_answers_and_problems(lonely: Gateway) -> None:
    for path, status in (("/healthz", 200), ("/api/v1/me", 401), ("/nowhere", 404)):
        answer = await lonely.http.get(path, headers={"origin": FRIENDLY_ORIGIN})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == FRIENDLY_ORIGIN
        assert "retry-after" in answer.headers["access-control-expose-headers"]
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_other_origins_are_told_nothing(lonely: Gateway) -> None:
    for origin in ("http://evil.example.com", "null", FRIENDLY_ORIGIN + ".evil.com", FRIENDLY_ORIGIN.upper()):
        preflight = await lonely.http.options("/api/v1/orders", headers={"origin": origin, **ASKING})
        answer = await lonely.http.get("/healthz", headers={"origin": origin})
        for told in (preflight, answer):
            assert not [name for name in told.headers if name.startswith("access-control")]
            assert told.headers["vary"] == "origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
