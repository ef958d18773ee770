"""Which accounts quote-stream was told of, and the one rule: who is told "now they come" misses nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hub.quote_stream.v1 import quote_stream_pb2
from hub_gateway.frames import Frames
from hub_gateway.interest import AT_ONCE, Interest, Line
from hub_quote_stream.frames import Frames as StreamFrames


async def message(line: Line) -> quote_stream_pb2.FollowFramesRequest:
    async with asyncio.timeout(5):
        return await anext(line.requests())


async def test_accounts_that_come_and_go_are_told_of_once() -> None:
    interest = Interest()
    line = interest.open()
    requests = line.requests()
    assert list((await anext(requests)).watch_accounts) == []  # at once, so that there is an answer
    interest.add("a")
    interest.add("b")
    interest.remove("b")
    told = await anext(requests)
    assert (list(told.watch_accounts), list(told.leave_accounts)) == (["a"], [])
    interest.remove("a")
    interest.add("c")
    told = await anext(requests)
    assert (list(told.watch_accounts), list(told.leave_accounts)) == (["c"], ["a"])


async def test_where_nothing_changes_something_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """And obeyed, which tells that quote-stream is well."""
    monkeypatch.setattr("hub_gateway.interest.PAUSE_S", 0.01)
    frames = StreamFrames(most_updates=1)
    requests = Interest().open().requests()
    with frames.stream(set()) as stream:
        for number in range(1, 4):
            said = await anext(requests)
            stream.watch(said.watch_accounts, leave=said.leave_accounts)
            assert (await stream.next()).obeyed == number


async def test_a_line_begins_with_all_accounts_however_many() -> None:
    interest = Interest()
    names = {str(number) for number in range(AT_ONCE + 1)}
    for name in names:
        interest.add(name)
    requests = interest.open().requests()
    parts = [list((await anext(requests)).watch_accounts) for _ in range(2)]
    assert sorted(map(len, parts)) == [1, AT_ONCE]
    assert {name for part in parts for name in part} == names


async def test_an_account_of_another_line_that_obeys_is_not_asked_for_again() -> None:
    interest = Interest()
    interest.add("a")
    old = interest.open()
    await message(old)
    assert interest.obeyed(old, 1) == ["a"]
    new = interest.open()  # streams are renewed now and then
    await message(new)
    assert interest.obeyed(new, 1) == []
    interest.close(old)
    assert interest.add("a")


class Reader:
    def __init__(self) -> None:
        self.gaps = 0

    def on_update(self, update: Any) -> None: ...

    def on_gap(self) -> None:
        self.gaps += 1


async def test_owners_are_asked_when_the_updates_come_and_not_before() -> None:
    frames, early, late = Frames(), Reader(), Reader()
    line = frames.interest.open()
    requests = line.requests()
    await anext(requests)
    frames.watched(frames.interest.obeyed(line, 1))
    frames.read_account(early, "a")
    await anext(requests)
    frames.read_account(late, "a")  # while the word is on its way
    assert (early.gaps, late.gaps) == (0, 0)
    frames.watched(frames.interest.obeyed(line, 2))
    assert (early.gaps, late.gaps) == (1, 1)


ACCOUNTS = st.sampled_from(["a", "b", "c"])


class Stream:
    """One line and the other end of it: messages under way, and what of them quote-stream has obeyed."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.requests = line.requests()
        self.under_way: list[quote_stream_pb2.FollowFramesRequest] = []
        self.watched: set[str] = set()
        self.obeyed = 0
        self.told = 0


class TwoEnds(RuleBasedStateMachine):
    """Whatever is said, sent, obeyed and told in whatever order: an account of which was said that its
    updates come is watched over there, by at least one line, for as long as somebody reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.interest = Interest()
        self.read: Counter[str] = Counter()
        self.comes: set[str] = set()
        self.streams = [Stream(self.interest.open())]

    @rule(account=ACCOUNTS)
    def add(self, account: str) -> None:
        self.read[account] += 1
        if self.interest.add(account) and any(stream.line.up for stream in self.streams):
            self.comes.add(account)

    @rule(account=ACCOUNTS)
    def remove(self, account: str) -> None:
        if self.read.pop(account, 0):
            self.interest.remove(account)
            self.comes.discard(account)

    @rule(newest=st.booleans())
    def send(self, newest: bool) -> None:
        stream = self.streams[-1 if newest else 0]
        if stream.line._wake.is_set():
            stream.under_way.append(_at_once(anext(stream.requests)))

    @rule(newest=st.booleans())
    def obey(self, newest: bool) -> None:
        stream = self.streams[-1 if newest else 0]
        if stream.under_way:
            request = stream.under_way.pop(0)
            stream.watched |= set(request.watch_accounts)
            stream.watched -= set(request.leave_accounts)
            stream.obeyed += 1

    @rule(newest=st.booleans())
    def tell(self, newest: bool) -> None:
        stream = self.streams[-1 if newest else 0]
        if stream.obeyed > stream.told:
            stream.told = stream.obeyed
            told = self.interest.obeyed(stream.line, stream.told)
            self.comes |= {name for name in told if name in self.read}  # of the others nobody is told

    @rule()
    def renew(self) -> None:
        """The next stream is opened; the old one is left when that has answered."""
        if len(self.streams) == 1:
            self.streams.append(Stream(self.interest.open()))
        elif self.streams[1].line.up:
            self.interest.close(self.streams.pop(0).line)
            # Accounts that only the old one had are asked for again when the new one obeys.
            self.comes = {name for name in self.comes if self.interest._obeyed(name)}

    @invariant()
    def updates_come(self) -> None:
        for account in self.comes:
            assert any(account in stream.watched for stream in self.streams), account

    def teardown(self) -> None:
        """In the end everybody who reads is told."""
        for stream in self.streams:
            while stream.line._wake.is_set() or stream.under_way:
                self.send(newest=stream is self.streams[-1])
                self.obey(newest=stream is self.streams[-1])
            self.tell(newest=stream is self.streams[-1])
        assert set(self.read) <= self.comes


def _at_once(answer: Any) -> quote_stream_pb2.FollowFramesRequest:
    """What waits for nothing needs no event loop."""
    try:
        answer.send(None)
    except StopIteration as found:
        return found.value  # type: ignore[no-any-return]
    raise AssertionError("there was nothing to send")


TwoEnds.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_whatever_happens_in_whatever_order = TwoEnds.TestCase
