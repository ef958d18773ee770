"""Which tokens are believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from hub.auth.v1 import auth_pb2
from hub_errors import Unauthenticated, Unavailable
from hub_identity import Trust
from tests.libs.identity.auth import Key, denial

KEY = Key("key-1")


def trusting(*keys: Key, trust: Trust | None = None) -> Trust:
    made = trust or Trust()
    made.apply(auth_pb2.WatchTrustResponse(snapshot=True, keys=[key.message() for key in keys or (KEY,)]))
    return made


def refused(trust: Trust, token: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        trust.verify(token)
    return raised.value.code


def test_a_good_token_says_who_it_is() -> None:
    principal = trusting().verify(KEY.token(roles=["user", "admin"]))
    assert principal.user_id == "user-1"
    assert principal.account_id == "account-1"
    assert principal.session_id == "session-1"
    assert principal.roles == {"user", "admin"}
    assert principal.expires_at.tzinfo is UTC


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "é.é.é", "x" * 100_000, KEY.token()[:-90]])
def test_what_is_no_token_is_malformed(token: str) -> None:
    assert refused(trusting(), token) == "token_malformed"


def test_no_token_is_missing() -> None:
    assert refused(trusting(), "") == "token_missing"


def test_an_expired_token_is_told_apart() -> None:
    assert refused(trusting(), KEY.token(life_s=-1)) == "token_expired"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"aud": "something"},
        *({claim: None} for claim in ("sub", "acc", "sid", "roles", "iat", "exp", "iss", "aud")),
        {"roles": 7},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_invalid(claims: dict[str, Any]) -> None:
    assert refused(trusting(), KEY.token(**claims)) == "token_invalid"


def test_a_token_of_an_unknown_or_foreign_key_is_invalid() -> None:
    assert refused(trusting(), Key("key-2").token()) == "token_invalid"
    assert refused(trusting(), Key("key-1").token()) == "token_invalid"


def test_a_changed_token_is_invalid() -> None:
    head, _, signature = KEY.token().split(".")
    other = Key("key-1").token(sub="somebody-else").split(".")[1]
    assert refused(trusting(), f"{head}.{other}.{signature}") == "token_invalid"


def test_another_algorithm_is_never_believed() -> None:
    claims = jwt.decode(KEY.token(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", "none", {"kid": "key-1"})
    assert refused(trusting(), unsigned) == "token_invalid"
    pem = KEY.message().public_key_pem.replace("-----", "").encode()
    assert refused(trusting(), jwt.encode(claims, pem, "HS256", {"kid": "key-1"})) == "token_invalid"


def test_a_remembered_token_still_expires() -> None:
    now = datetime.now(UTC)
    trust = trusting(trust=Trust(clock=lambda: now))
    token = KEY.token(life_s=60)
    assert trust.verify(token) is trust.verify(token)
    now += timedelta(seconds=61)
    assert refused(trust, token) == "token_expired"


def test_a_token_that_is_not_valid_yet_counts_by_the_clock_that_was_passed_in() -> None:
    trust = trusting(trust=Trust(clock=lambda: datetime.now(UTC) - timedelta(hours=1)))
    assert trust.verify(KEY.token()).user_id == "user-1"


@pytest.mark.parametrize("subject", ["session-1", "user-1"])
def test_a_denied_session_or_user_is_refused_although_remembered(subject: str) -> None:
    trust, token = trusting(), KEY.token()
    trust.verify(token)
    trust.apply(auth_pb2.WatchTrustResponse(denied=[denial(subject)]))
    assert refused(trust, token) == "token_revoked"
    assert refused(trust, KEY.token(jti="another token of the session")) == "token_revoked"
    assert trust.verify(KEY.token(sid="session-2", sub="user-2")).session_id == "session-2"


def test_a_change_adds_and_a_snapshot_replaces() -> None:
    new, trust = Key("key-2"), trusting()
    trust.apply(auth_pb2.WatchTrustResponse(keys=[new.message()]))
    assert trust.verify(KEY.token()).user_id == trust.verify(new.token()).user_id
    trusting(new, trust=trust)
    assert refused(trust, KEY.token()) == "token_invalid"
    assert trust.verify(new.token()).user_id == "user-1"


def test_a_token_remembered_from_a_withdrawn_key_is_forgotten() -> None:
    trust, token = trusting(), KEY.token()
    trust.verify(token)
    trusting(Key("key-2"), trust=trust)
    assert refused(trust, token) == "token_invalid"


def test_before_anything_is_known_nobody_is_called_a_liar() -> None:
    trust = Trust()
    assert trust.state() != "ok"
    with pytest.raises(Unavailable):
        trust.verify(KEY.token())
    assert trusting(trust=trust).state() == "ok"


def test_memory_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_identity.trust.REMEMBERED", 4)
    trust = trusting()
    for number in range(20):
        trust.verify(KEY.token(sid=f"session-{number}"))
        assert len(trust._verified) <= 4
