"""Ids, waits, forever-jobs and metrics."""

import asyncio
import itertools
import time
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_runtime import Backoff, counter, gauge, histogram, supervised, utc_now, uuid7


def test_ids_are_version_7_unique_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count(time.time_ns(), 250_000)
    monkeypatch.setattr("hub_runtime.ids.time.time_ns", lambda: next(times))
    ids = [uuid7() for _ in range(2000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 2000
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}


def test_an_id_carries_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_the_time_is_aware_and_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert utc_now().utcoffset() == timedelta(0)


@given(st.floats(0.001, 10), st.floats(1, 100), st.integers(1, 30))
def test_waits_grow_to_the_maximum_and_start_again_after_a_reset(
    min_s: float, factor: float, tries: int
) -> None:
    backoff = Backoff(min_s, min_s * factor)
    for number in range(tries):
        ceiling = min(min_s * 2**number, min_s * factor)
        assert ceiling / 2 <= backoff.next_s() <= ceiling
    backoff.reset()
    assert backoff.next_s() <= min_s


async def test_a_forever_job_is_run_again_after_errors_and_after_an_end() -> None:
    outcomes = iter([ValueError("once"), None, OSError("twice")])
    reached = asyncio.Event()

    async def job() -> None:
        outcome = next(outcomes, "last")
        if isinstance(outcome, Exception):
            raise outcome
        if outcome == "last":
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(supervised("job", job, Backoff(0.001, 0.001)))
    await asyncio.wait_for(reached.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_metric_asked_for_twice_is_the_same() -> None:
    assert counter("hub_test_total", "Counts.", ("kind",)) is counter("hub_test_total", "Counts.", ("kind",))
    assert gauge("hub_test_gauge", "Measures.") is gauge("hub_test_gauge", "Measures.")
    assert histogram("hub_test_seconds", "Takes.") is histogram("hub_test_seconds", "Takes.")
