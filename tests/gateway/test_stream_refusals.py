"""Who is not let in now, but may come back: nothing says to them that they may not."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from hub_runtime import uuid7
from hub_stream_client import StreamClient
from tests.gateway.test_stream import QUICK, Upstream, closed, dial, gateway, hear, say, upstream
from tests.gateway.world import Gateway, running
from tests.support.jobs import eventually

__all__ = ["gateway", "upstream"]


@pytest.mark.parametrize("header", [True, False])
async def test_before_the_keys_are_known_nobody_is_told_that_a_token_is_bad(
    header: bool, gateway: Gateway
) -> None:
    """A process that was just started serves before it has heard from auth."""
    gateway.trust.loaded.clear()
    with pytest.raises(InvalidStatus) as refused:
        await dial(gateway, gateway.bearer() if header else None)
    assert refused.value.response.status_code == 503
    assert b"trust_not_loaded" in (refused.value.response.body or b"")
    gateway.trust.loaded.set()
    async with dial(gateway) as client:
        await say(client, type="auth", token=gateway.signer.token())
        await hear(client, "authenticated")


async def test_who_finds_no_room_for_their_account_comes_back_until_there_is(
    gateway: Gateway, upstream: Upstream
) -> None:
    """As after a network was cut: the sockets of before are still counted."""
    token = gateway.signer.token(account_id=str(uuid7()))
    async with AsyncExitStack() as old:
        for _ in range(QUICK.per_account):
            await old.enter_async_context(dial(gateway, {"authorization": f"Bearer {token}"}))
        async with dial(gateway) as client:
            await say(client, type="auth", token=token)
            assert (await hear(client, "error"))["code"] == "too_many_sockets"
            assert await closed(client) == (1013, "too_many_sockets")
        patient = StreamClient(gateway.stream_url, token=lambda: token, min_wait_s=0.01, max_wait_s=0.05)
        states: list[str] = []
        patient.on("state", states.append)
        patient.subscribe(["AAPL"])
        async with running(patient.run()):
            await eventually(lambda: states.count("waiting") > 1)
            await old.aclose()
            await eventually(lambda: "AAPL" in patient.document.quotes)
