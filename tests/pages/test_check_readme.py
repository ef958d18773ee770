"""A page that lies is found out, and no block of a page is passed over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.pages.check_readme import check
from tests.pages.shapes import DifferenceError, compare_output

NOWHERE = "http://127.0.0.1:9"


def page(*lines: str, mark: str = "") -> str:
    return "\n".join(["# A page", "", mark, "```", *lines, "```", ""])


@pytest.mark.parametrize(
    ("shown", "output"),
    [
        ('{"id":"01a2-...","n":1}', '{"id": "77ff", "n": 25}'),
        ('{"price":"432.71","held":"0"}', '{"price":"5","held":"17.5"}'),
        ('{"a":1,...}', '{"a":1,"b":2,"c":3}'),
        ('{"a":1,...,"d":1}', '{"a":1,"b":2,"c":3,"d":4}'),
        ('{...,"c":1,"d":1,...}', '{"a":1,"c":2,"d":3,"e":4}'),
        ('[{"a":1},...]', '[{"a":1},{"b":2}]'),
        ('{"list":[]}', '{"list":[]}'),
        ('{"detail":"It needs 454210 in cash."}', '{"detail":"It needs 7.5 in cash."}'),
        ('{"a":1}\n{"b":true}', '{"a":1}\n{"b":false}'),
        ("HTTP/1.1 202 Accepted\n...\ndate: ...", "HTTP/1.1 202 Accepted\nserver: x\ndate: today"),
        ("", ""),
    ],
)
def test_what_differs_by_nature_may_differ(shown: str, output: str) -> None:
    compare_output(shown, output)


@pytest.mark.parametrize(
    ("shown", "output"),
    [
        ('{"a":1}', '{"a":1,"b":2}'),
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":1,...}', '{"b":2,"a":1}'),
        ('{"a":1,"c":2,...}', '{"a":1,"b":2,"c":3}'),
        ('{"a":1,...,"d":1}', '{"a":1,"d":1,"e":2}'),
        ('{"a":"1.5"}', '{"a":1.5}'),
        ('{"a":"1.5"}', '{"a":"high"}'),
        ('{"a":null}', '{"a":"x"}'),
        ('{"a":true}', '{"a":1}'),
        ('{"status":"EXECUTED"}', '{"status":"PENDING"}'),
        ('{"detail":"It needs 454210 in cash."}', '{"detail":"It needs 7.5 in gold."}'),
        ('{"list":[]}', '{"list":[1]}'),
        ('{"list":[1,...]}', '{"list":[]}'),
        ('{"a":{"b":1}}', '{"a":[1]}'),
        ('{"a":1}', "502 Bad Gateway"),
        ('{"a":1}', ""),
        ("", "curl: (7) no"),
        ("ready", "not ready"),
        ("one\ntwo", "one"),
    ],
)
def test_another_shape_is_a_fault(shown: str, output: str) -> None:
    with pytest.raises(DifferenceError):
        compare_output(shown, output)


async def test_commands_share_one_session() -> None:
    text = page(
        "$ A='a b'",
        "$ field() { python3 -c \"import json, sys; print(json.load(sys.stdin)['$1'])\"; }",
        "$ alias say='echo said:'",
        "",
        '$ B=$(echo "{\\"key\\": \\"$A\\"}" | field key)',
        '$ echo "$B" \\',
        "    and more",
        "a b and more",
        '$ say "$B"',
        "said: a b",
    )
    assert await check(text, NOWHERE) == []


async def test_what_comes_a_moment_later_is_looked_for_again() -> None:
    text = page('$ LOOKS=$LOOKS.; if [ "$LOOKS" = ... ]; then echo ready; else echo not yet; fi', "ready")
    assert await check(text, NOWHERE) == []


@pytest.mark.parametrize(
    "text",
    [
        page("$ false"),
        page("$ echo yes", "no"),
        page("$ echo yes"),
        page("$ no-such-program", "..."),
        page("make nonsense", mark="<!-- check-readme: targets, not run -->"),
        page("make test && rm x", mark="<!-- check-readme: targets, not run -->"),
        page("rm x", mark="<!-- check-readme: targets, not run -->"),
        page("make test"),
        page("a drawing"),
        page("a drawing", mark="<!-- check-readme: something else -->"),
        page("nowhere/    nothing", mark="<!-- check-readme: paths -->"),
        "All is done by `make nonsense`.",
    ],
)
async def test_a_wrong_block_is_a_fault(text: str) -> None:
    assert len(await check(text, NOWHERE, patience_s=0)) == 1


@pytest.mark.parametrize(
    "text",
    [
        page(
            "git clone <it> here && cd here", "make test", mark="<!-- check-readme: targets, not run: why -->"
        ),
        page("-- a --", mark="<!-- check-readme: drawing -->"),
        page("tests/   and", "         more", mark="<!-- check-readme: paths -->"),
        "All is done by `make test ARGS=-q`.",
    ],
)
async def test_what_is_not_run_is_right_as_far_as_can_be_seen(text: str) -> None:
    assert await check(text, NOWHERE) == []


@pytest.fixture
async def talker() -> AsyncIterator[str]:
    """A server that greets, repeats what it is told, and chats in between."""

    async def talk(socket: ServerConnection) -> None:
        async for message in socket:
            heard = json.loads(message)
            await socket.send(json.dumps({"type": "heartbeat"}))
            await socket.send(json.dumps({"type": "heard", **heard}))

    def refuse(socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(404, "") if request.path == "/nowhere" else None

    async with serve(talk, "127.0.0.1", 0, process_request=refuse) as server:
        [listening] = server.sockets
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


CLIENT = "$ .venv/bin/python -m websockets ws://127.0.0.1:8080/"


async def test_a_talk_is_held_with_the_variables_of_the_session(talker: str) -> None:
    text = page("$ TOKEN=secret", CLIENT, '> {"token":"eyJ..."}', '< {"type":"heard","token":"secret"}')
    assert await check(text, talker) == []


@pytest.mark.parametrize(
    "lines",
    [
        ('> {"n":1}', '< {"type":"heard","m":1}'),
        ('> {"token":"eyJ..."}', '< {"type":"heard",...}'),
        ('> {"n":1}', "and then"),
        ('> {"n":1}', '< {"type":"never"}'),
    ],
)
async def test_a_talk_that_goes_otherwise_is_a_fault(talker: str, lines: tuple[str, ...]) -> None:
    assert len(await check(page(CLIENT, *lines), talker, patience_s=1)) == 1


async def test_a_talk_with_a_server_that_is_away_is_a_fault() -> None:
    assert len(await check(page(CLIENT, '> {"n":1}', '< {"n":1}'), NOWHERE)) == 1


async def test_a_talk_where_no_socket_is_is_a_fault(talker: str) -> None:
    assert len(await check(page(f"{CLIENT}nowhere", '> {"n":1}', '< {"n":1}'), talker)) == 1


SOURCE = "<!-- check-readme: source -->"


@pytest.mark.parametrize(
    ("line", "faults"), [("fetch('/somewhere')", 0), ('fetch("/nowhere?x=1")', 1), ("alert(1)", 1)]
)
async def test_the_paths_of_a_source_exist(talker: str, line: str, faults: int) -> None:
    assert len(await check(page(line, mark=SOURCE), talker)) == faults
