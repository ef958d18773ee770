"""Whether an output has the shape that a page shows: `...` stands for more, ids, prices and times may differ.

A text without digits, like a state or a code, has to be the same. Of a decimal only the form counts, of a
sentence all but its numbers, of anything else with digits or `...` in it only the kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

MORE: Final = "..."
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|[\[\]{},:]|[^\s\[\]{},:"]+|\s+')
_DECIMAL: Final = re.compile(r"-?\d+(\.\d+)?")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


class Pairs(list[tuple[str, Any]]):
    """An object, with its fields as they come."""


class DifferenceError(Exception):
    """Where an output is not what the page shows."""


def documents(text: str) -> list[Any]:
    """The JSON documents of a text, one after the other; raises ValueError where it is something else."""
    decoder = json.JSONDecoder(object_pairs_hook=Pairs)
    found, place, text = [], 0, text.strip()
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        found.append(document)
        while place < len(text) and text[place].isspace():
            place += 1
    return found


def shown(text: str) -> list[Any]:
    """The same for what a page shows, where a `...` between fields or items stands for any number of them."""
    return documents("".join(_with_more_quoted(text)))


def compare_output(page: str, output: str) -> None:
    """Raises DifferenceError."""
    if page.lstrip().startswith(("{", "[")):
        expected, found = shown(page), _documents_of(output)
        if len(expected) != len(found):
            raise DifferenceError(f"{len(found)} documents instead of {len(expected)}")
        for one, other in zip(expected, found, strict=True):
            compare(one, other)
    else:
        _compare_lines(page.splitlines(), output.splitlines())


def compare(expected: Any, found: Any, path: str = "") -> None:
    """Raises DifferenceError."""
    if isinstance(expected, Pairs) and isinstance(found, Pairs):
        _compare_objects(expected, found, path)
    elif isinstance(expected, list) and isinstance(found, list):
        _compare_lists(expected, found, path)
    elif _kind(expected) != _kind(found):
        raise DifferenceError(f"{path or '/'} is {_kind(found)}, not {_kind(expected)}")
    elif isinstance(expected, str):
        _compare_texts(expected, found, path)


def _documents_of(output: str) -> list[Any]:
    try:
        return documents(output)
    except ValueError:
        raise DifferenceError(f"not JSON: {output[:500]!r}") from None


def _compare_objects(expected: Pairs, found: Pairs, path: str) -> None:
    """Fields between two `...` stand together, in the page's order; those before the first one begin."""
    names = [name for name, _ in found]
    runs = _runs([name for name, _ in expected])
    start = 0
    for number, run in enumerate(runs):
        last = number == len(runs) - 1
        places = [start] if number == 0 else range(start, len(names) - len(run) + 1)
        if last and number > 0:
            places = [max(start, len(names) - len(run))]
        place = next((place for place in places if names[place : place + len(run)] == run), None)
        if place is None or (last and place + len(run) != len(names)):
            raise DifferenceError(f"{path or '/'} has the fields {', '.join(names)}")
        start = place + len(run)
    values = dict(found)
    for name, value in expected:
        if name != MORE:
            compare(value, values[name], f"{path}/{name}")


def _compare_lists(expected: Sequence[Any], found: Sequence[Any], path: str) -> None:
    open_end = bool(expected) and expected[-1] == MORE
    items = expected[:-1] if open_end else expected
    if len(found) < len(items) or (len(found) > len(items) and not open_end):
        raise DifferenceError(f"{path or '/'} has {len(found)} items, not {len(items)}")
    for number, (one, other) in enumerate(zip(items, found, strict=False)):
        compare(one, other, f"{path}/{number}")


def _compare_texts(expected: str, found: str, path: str) -> None:
    if not texts_match(expected, found):
        raise DifferenceError(f"{path or '/'} is {found!r}")


def texts_match(expected: str, found: str) -> bool:
    if _DECIMAL.fullmatch(expected):
        return _DECIMAL.fullmatch(found) is not None
    if MORE not in expected and not _NUMBER.search(expected):
        return expected == found
    if " " in expected.strip():
        return _pattern(expected).fullmatch(found) is not None
    return bool(found)


def _compare_lines(expected: list[str], found: list[str]) -> None:
    if len(expected) != len(found) and MORE not in expected:
        raise DifferenceError(f"{len(found)} lines instead of {len(expected)}: {found}")
    pattern = "\n".join(_pattern(line).pattern if line != MORE else r"(?:.*\n?)*?" for line in expected)
    if re.fullmatch(pattern, "\n".join(found)) is None:
        raise DifferenceError("\n".join(found))


def _pattern(text: str) -> re.Pattern[str]:
    """All as it is but for numbers, and any text for `...`."""
    return re.compile("".join(_loose(part) for part in re.split(r"(\.\.\.|\d+(?:\.\d+)?)", text)))


def _loose(part: str) -> str:
    if part == MORE:
        return ".*"
    return _NUMBER.pattern if _NUMBER.fullmatch(part) else re.escape(part)


def _runs(names: Sequence[str]) -> list[list[str]]:
    """[a, ..., b, c] -> [[a], [b, c]]"""
    runs: list[list[str]] = [[]]
    for name in names:
        if name == MORE:
            runs.append([])
        else:
            runs[-1].append(name)
    return runs


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an object" if isinstance(value, Pairs) else "a list"


def _with_more_quoted(text: str) -> Iterator[str]:
    containers: list[str] = []
    for token in _TOKEN.findall(text):
        if token in {"{", "["}:
            containers.append(token)
        elif token in {"}", "]"} and containers:
            containers.pop()
        if token == MORE:
            yield '"...":null' if containers and containers[-1] == "{" else '"..."'
        else:
            yield token
