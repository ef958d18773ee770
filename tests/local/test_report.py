"""What the terminal shows: log lines written for people, steps and their waits."""

import io
import json
import os
from pathlib import Path

import pytest

from hub_local import report
from hub_local.report import Follower, Report, highlight, last_lines


def test_only_lines_for_people_are_shown() -> None:
    entry = {"service": "order", "event": "order_accepted", "highlight": True, "text": "bought 10 AAPL"}
    assert highlight(json.dumps(entry)) == ("order", "bought 10 AAPL")
    assert highlight(json.dumps({**entry, "highlight": False})) is None
    assert highlight(json.dumps({"service": "order", "highlight": True})) is None
    assert highlight('Traceback "highlight"') is None
    assert highlight('["highlight"]') is None


def test_a_follower_sees_whole_new_lines_once(tmp_path: Path) -> None:
    log = tmp_path / "order.log"
    log.write_text("old\n")
    follower = Follower([log, tmp_path / "later.log"])
    assert list(follower.lines()) == []
    with log.open("a") as file:
        file.write("one\ntw")
    assert [line for _, line in follower.lines()] == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert [line for _, line in follower.lines()] == ["two"]
    log.write_text("new\n")
    assert [line for _, line in follower.lines()] == ["new"]


def test_a_log_that_grew_too_long_is_cut_and_its_past_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LOG_LIMIT", 10)
    log = tmp_path / "order.log"
    log.write_text("a long story\n")
    follower = Follower([log])
    with log.open("a") as writer:
        follower.trim()
        writer.write("next\n")
    assert (tmp_path / "order.log.1").read_text() == "a long story\n"
    assert [line for _, line in follower.lines()] == ["next"]


async def test_a_step_says_how_long_it_took_and_what_it_did() -> None:
    stream = io.StringIO()
    async with Report(stream).step("servers", lambda: "postgres: no answer") as details:
        details.append("PostgreSQL")
    assert "✓ servers" in stream.getvalue()
    assert "PostgreSQL" in stream.getvalue()


async def test_a_step_that_fails_is_not_called_done() -> None:
    stream = io.StringIO()
    with pytest.raises(LookupError):
        async with Report(stream).step("servers", lambda: ""):
            raise LookupError
    assert stream.getvalue() == ""


def test_the_end_of_a_log_is_readable(tmp_path: Path) -> None:
    log = tmp_path / "order.log"
    log.write_text(
        '{"level": "error", "event": "start_failed", "time": "now", "error": "no key"}\nplain words\n'
    )
    assert last_lines(log).splitlines() == [
        "      error start_failed error=no key",
        "      plain words",
        f"      (all of it: {log})",
    ]


def test_a_closed_terminal_is_no_reason_to_fail() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        os.close(reading)
        Report(stream).say("nobody listens")
        Report(stream).say("still nobody")
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
