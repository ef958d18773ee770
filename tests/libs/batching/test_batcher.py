"""Callers share calls and nothing else: not an error, not a cancellation, not a context."""

import asyncio
import contextvars
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_batching import Batcher
from hub_errors import Exhausted, Timeout, Unavailable


class BadItemError(Exception):
    """What the work raises for an item it does not like."""


class Work:
    """Answers ten times the item; counts calls; fails whole calls in which an item is bad."""

    def __init__(self, bad: frozenset[int] = frozenset(), refused: frozenset[int] = frozenset()) -> None:
        self.bad = bad
        self.refused = refused
        self.calls: list[list[int]] = []
        self.answered: list[int] = []

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.calls.append(list(items))
        await asyncio.sleep(0)
        if any(item in self.bad for item in items):
            raise BadItemError(*items)
        self.answered.extend(items)
        return [BadItemError(item) if item in self.refused else item * 10 for item in items]


class Gate(Work):
    """Lets no call through until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.entered = asyncio.Semaphore(0)

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.entered.release()
        await self.open.wait()
        return await super().__call__(items)


async def submit_all(batcher: Batcher[int, int], items: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)


async def test_64_concurrent_callers_with_a_limit_of_32_make_two_calls() -> None:
    work = Work()
    async with Batcher(work, limit=32) as batcher:
        assert await submit_all(batcher, range(64)) == [item * 10 for item in range(64)]
    assert [len(call) for call in work.calls] == [32, 32]


async def test_callers_that_trickle_in_while_one_call_is_under_way_make_few_more() -> None:
    gate = Gate()
    async with Batcher(gate, limit=32, in_flight=4) as batcher, asyncio.TaskGroup() as group:
        for item in range(64):
            group.create_task(batcher.submit(item))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        gate.open.set()
    assert sorted(gate.answered) == list(range(64))
    assert len(gate.calls) <= 6


async def test_a_lone_caller_waits_for_nobody() -> None:
    work = Work()
    async with Batcher(work) as batcher:
        assert await batcher.submit(7) == 70
    assert work.calls == [[7]]


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 90),
    limit=st.integers(1, 33),
    in_flight=st.integers(1, 5),
    bad=st.frozensets(st.integers(0, 89), max_size=6),
    refused=st.frozensets(st.integers(0, 89), max_size=6),
)
def test_every_item_gets_its_own_answer_and_bad_items_harm_no_neighbour(
    count: int, limit: int, in_flight: int, bad: frozenset[int], refused: frozenset[int]
) -> None:
    work = Work(bad, refused)

    async def scenario() -> list[int | BaseException]:
        async with Batcher(work, limit=limit, in_flight=in_flight) as batcher:
            return await submit_all(batcher, range(count))

    answers = asyncio.run(scenario())
    for item, answer in enumerate(answers):
        if item in bad or item in refused:
            assert isinstance(answer, BadItemError)
            assert answer.args == (item,)
        else:
            assert answer == item * 10
    good = [item for item in range(count) if item not in bad]
    assert sorted(work.answered) == good, "each item is answered exactly once"
    assert max(len(call) for call in work.calls) <= limit
    if in_flight == 1:
        assert work.answered == good, "and in the order of asking"


async def test_cancelling_one_caller_in_flight_touches_nobody_else() -> None:
    gate = Gate()
    async with Batcher(gate, limit=8) as batcher:
        callers = [asyncio.create_task(batcher.submit(item)) for item in range(8)]
        await gate.entered.acquire()
        callers[3].cancel()
        gate.open.set()
        answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers.pop(3), asyncio.CancelledError)
    assert answers == [0, 10, 20, 40, 50, 60, 70]
    assert gate.calls == [[0, 1, 2, 3, 4, 5, 6, 7]]


async def test_who_gives_up_while_waiting_is_left_out_of_the_call() -> None:
    gate = Gate()
    async with Batcher(gate, limit=8, in_flight=1) as batcher:
        first = asyncio.create_task(batcher.submit(0))
        await gate.entered.acquire()
        waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2, 3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        gate.open.set()
        assert await first == 0
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert gate.calls == [[0], [1, 3]]
    assert (answers[0], answers[2]) == (10, 30)


async def test_no_answer_by_the_deadline_is_a_timeout_for_that_caller_only() -> None:
    gate = Gate()
    async with Batcher(gate) as batcher:
        patient = asyncio.create_task(batcher.submit(1))
        with pytest.raises(Timeout) as late:
            await batcher.submit(2, deadline_s=0.01)
        gate.open.set()
        assert late.value.code == "deadline_exceeded"
        assert await patient == 10


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room() -> None:
    gate = Gate()
    async with Batcher(gate, limit=2, in_flight=1, queue_limit=2) as batcher:
        first = asyncio.create_task(batcher.submit(0))
        await gate.entered.acquire()
        waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Exhausted) as refusal:
            await batcher.submit(3)
        assert refusal.value.code == "queue_full"
        gate.open.set()
        assert [await first, *await asyncio.gather(*waiting)] == [0, 10, 20]
        assert await batcher.submit(3) == 30


async def test_a_dependency_that_is_away_is_asked_once_and_all_are_told() -> None:
    calls = []

    async def away(items: Sequence[int]) -> Sequence[int | Exception]:
        calls.append(len(items))
        raise Unavailable("away", code="database_unavailable")

    async with Batcher(away) as batcher:
        answers = await submit_all(batcher, range(20))
    assert calls == [20]
    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_a_wrong_number_of_results_reaches_callers_as_an_error_and_no_one_gets_a_foreign_answer() -> (
    None
):
    async def short(items: Sequence[int]) -> Sequence[int | Exception]:
        return [item * 10 for item in items if item != 2]

    async with Batcher(short) as batcher:
        answers = await submit_all(batcher, range(4))
    assert [answers[0], answers[1], answers[3]] == [0, 10, 30]
    assert isinstance(answers[2], RuntimeError)


async def test_no_more_than_the_allowed_number_of_calls_is_under_way() -> None:
    under_way = most = 0

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return items

    async with Batcher(work, limit=4, in_flight=3) as batcher:
        await submit_all(batcher, range(100))
    assert most == 3


async def test_closing_finishes_what_was_taken_and_refuses_what_comes_later() -> None:
    gate = Gate()
    batcher = Batcher(gate, limit=2, in_flight=1)
    async with batcher:
        callers = [asyncio.create_task(batcher.submit(item)) for item in range(5)]
        await gate.entered.acquire()
        asyncio.get_running_loop().call_soon(gate.open.set)
    assert await asyncio.gather(*callers) == [0, 10, 20, 30, 40]
    with pytest.raises(Unavailable) as refusal:
        await batcher.submit(9)
    assert refusal.value.code == "stopping"


async def test_an_error_in_the_block_comes_out_as_itself() -> None:
    with pytest.raises(BadItemError):
        async with Batcher(Work()):
            raise BadItemError


async def test_a_cancelled_close_leaves_no_caller_waiting() -> None:
    gate = Gate()
    waiting: list[asyncio.Task[int]] = []

    async def body() -> None:
        async with Batcher(gate, limit=1, in_flight=1) as batcher:
            waiting.extend(asyncio.create_task(batcher.submit(item)) for item in range(3))
            await gate.entered.acquire()

    closing = asyncio.create_task(body())
    while not waiting or not closing.done():
        await asyncio.sleep(0)
        closing.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)


async def test_a_batch_does_not_run_in_the_context_of_a_caller() -> None:
    token: contextvars.ContextVar[str] = contextvars.ContextVar("token", default="nobody")
    seen = []

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        seen.append(token.get())
        return items

    async def call(batcher: Batcher[int, int]) -> None:
        token.set("alice")
        await batcher.submit(1)

    async with Batcher(work) as batcher:
        await asyncio.create_task(call(batcher))
    assert seen == ["nobody"]
