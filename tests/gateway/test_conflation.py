"""Whatever a client misses, and whenever it is slow: the messages it got, applied by a JSON Patch that is not
ours, give what the server has."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from unittest import mock

import jsonpatch
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_gateway import fanout
from hub_gateway.socket_limits import SocketLimits
from hub_quote_stream.patch import frame
from tests.gateway.test_session import Scene
from tests.quote_stream.quotes import quote

SYMBOLS = ("AAPL", "BRK/B", "IBM~1")
LIMITS = SocketLimits(frame_s=0.0, slow_s=0.0, lags=10_000, messages=10_000)

Step = tuple[str, str]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("tick"), st.sampled_from(SYMBOLS)),
        st.tuples(st.sampled_from(["turn", "breath", "stop", "go on", "epoch", "old epoch"]), st.just("")),
        st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), st.sampled_from(["AAPL", "IBM", "NOPE"])),
    ),
    max_size=60,
)


class Screen:
    """A client: a document, and the rules that every message has to keep."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"quotes": {}}
        self.place: dict[str, tuple[int, int]] = {}
        self.followed: set[str] = set()

    def take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                self.followed = set(message["symbols"])
                for symbol in set(self.place) - self.followed:
                    del self.place[symbol], self.document["quotes"][symbol]
            case "quotes_snapshot":
                self._move(message)
                self.document["quotes"][message["symbol"]] = message["quote"]
            case "quotes_patch":
                for patch in message["patches"]:
                    before = self.place[patch["symbol"]]  # there is a base
                    self._move(patch)
                    assert self.place[patch["symbol"]] > before
                    assert before[0] == patch["epoch"], "a patch of another epoch has no base"
                    self.document = jsonpatch.apply_patch(self.document, patch["ops"])

    def _move(self, message: dict[str, Any]) -> None:
        place = (message["epoch"], message["seq"])
        assert message["symbol"] in self.followed
        assert place >= self.place.get(message["symbol"], (0, 0))
        self.place[message["symbol"]] = place


class Play:
    """The server's side: ticks of each symbol, in an epoch."""

    def __init__(self) -> None:
        self.scene = Scene(LIMITS)
        self.seqs: Counter[str] = Counter()
        self.epoch = 1
        for symbol in ("AAPL", "IBM"):
            self.tick(symbol)

    def tick(self, symbol: str) -> None:
        self.seqs[symbol] += 1
        seq = self.seqs[symbol]
        self.scene.frames.apply([frame(quote(symbol, seq, epoch=self.epoch, bid=str(100 + seq)))])

    def begin_epoch(self) -> None:
        self.epoch += 1
        self.seqs.clear()

    def late(self) -> None:
        """A feeder that does not know that it was replaced."""
        self.scene.frames.apply([frame(quote("AAPL", 1_000_000, epoch=self.epoch - 1))])

    async def step(self, what: str, which: str) -> None:
        wire = self.scene.wire
        simple = {"epoch": self.begin_epoch, "old epoch": self.late, "stop": wire.stop, "go on": wire.go_on}
        if what == "turn":
            await asyncio.sleep(0.001)
        elif what == "breath":
            await asyncio.sleep(0)
        elif what == "tick":
            self.tick(which)
        elif what in simple:
            simple[what]()
        else:
            wire.say(type=what, symbols=[which])


async def play(steps: list[Step]) -> None:
    play, screen = Play(), Screen()
    for step in steps:
        await play.step(*step)
    wire, newest = play.scene.wire, play.scene.frames.newest
    wire.go_on()
    await asyncio.sleep(0.002)
    while not wire.sent.empty():
        screen.take(wire.sent.get_nowait())
    assert screen.followed == play.scene.session.symbols
    wanted = {name: json.loads(newest[name].snapshot) for name in screen.followed if name in newest}
    assert screen.document["quotes"] == {name: snapshot["quote"] for name, snapshot in wanted.items()}
    assert screen.place == {name: (each["epoch"], each["seq"]) for name, each in wanted.items()}


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_the_messages_of_a_slow_client_give_the_servers_state(steps: list[Step]) -> None:
    # A round lets others have their turn after every step, as it does where there are many sockets.
    with mock.patch.object(fanout, "SLICE_S", -1.0), asyncio.Runner() as runner:
        runner.run(play(steps))
