"""The bare echo beside the platform: it says what goes wrong, and nothing when it is only told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.load import ceilings
from tests.load.ceilings import bare
from tests.load.traders import Trader, orders_of
from tests.support.tokens import Signer
from tests.support.waiting import eventually

AT_ONCE = 200


async def send(port: int, token: str, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(orders_of([Trader("account", token, "")], number, "run"))
    return reader, writer


def slowly(end: Callable[[subprocess.Popen[bytes]], None]) -> Callable[[subprocess.Popen[bytes]], None]:
    def ended(process: subprocess.Popen[bytes]) -> None:
        end(process)
        time.sleep(0.3)

    return ended


async def test_calls_that_are_cut_off_at_the_end_say_nothing_and_faults_before_it_do(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever is not stopped yet has time to say what it thinks of that.
    monkeypatch.setattr(ceilings, "_end", slowly(ceilings._end))
    signer = Signer()
    token = signer.user().token
    async with bare(signer, coalesced=True) as (port, pids):
        reader, writer = await send(port, "no token", 0)
        assert b" 500 " in await reader.readline()
        writer.close()
        said = ""

        def told() -> bool:
            nonlocal said
            said += capfd.readouterr().err
            return "Traceback" in said

        await eventually(told)
        reader, first = await send(port, token, 1)
        assert b" 202 " in await reader.readline()
        # Nobody answers any more: what comes now is under way when the end comes.
        os.kill(pids["service"], signal.SIGSTOP)
        writers = [first, *[(await send(port, token, number))[1] for number in range(2, AT_ONCE)]]
    for each in writers:
        each.close()
    assert "SubmitOrders" not in said + capfd.readouterr().err
