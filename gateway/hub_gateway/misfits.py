"""What a member of a body must be, in words: a type knows what may stand at each of its places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

_STEPS: Final = re.compile(r"\[(?P<inside>[^\]]*)\]|(?P<name>[^.\[\]]+)")
_KINDS: Final = re.compile(r"Expected `(?P<kinds>[a-z |]+)`(?P<limit>[^,]*)(?:, got `[a-z]+`)?")
_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def must_be(whole: inspect.Type, path: str, what: str) -> str:
    """The sentence for what msgspec says (`what`) of the place (`path`, nothing for the body) in a type."""
    here = _at(whole, path)
    name = path or "The body"
    choices = _choices(here, path)
    if choices:
        return f"{name} must be {_one_of(choices)}{_or_null(here)}."
    found = _KINDS.fullmatch(what)
    if found is None:
        return f"{name}: {what}."
    words = [_WORDS.get(kind, kind) for kind in found["kinds"].split(" | ")]
    such_as = "".join(f", such as {example}" for example in _example(here))
    limit = found["limit"].replace(" >= ", " of at least ").replace(" <= ", " of at most ")
    return f"{name} must be {' or '.join(words)}{limit}{such_as}."


def must_be_decimal(name: str, came: bytes) -> str:
    """The sentence for a decimal in whose place another kind of JSON came."""
    kind = {b"[": _WORDS["array"], b"{": _WORDS["object"]}.get(came[:1]) or came.decode()
    return f'{name} must be a decimal number or a text, such as "10", and not {kind}.'


def _at(whole: inspect.Type, path: str) -> list[inspect.Type]:
    """All that may stand there, each with its examples around it; of a tag, the types that have it."""
    here = list(_alternatives(whole))
    for step in _STEPS.finditer(path):
        tagged = [each for each in here if isinstance(_bare(each), inspect.StructType)]
        inside = [found for each in here for found in _inside(_bare(each), step["name"])]
        if not inside:
            return tagged if any(_tag(each, step["name"]) for each in tagged) else []
        here = inside
    return here


def _inside(whole: inspect.Type, name: str | None) -> Iterator[inspect.Type]:
    if isinstance(whole, inspect.StructType):
        for member in whole.fields:
            if member.encode_name == name:
                yield from _alternatives(member.type)
    elif isinstance(whole, inspect.ListType) and name is None:
        yield from _alternatives(whole.item_type)
    elif isinstance(whole, inspect.DictType) and name is None:
        yield from _alternatives(whole.value_type)


def _alternatives(whole: inspect.Type) -> Iterator[inspect.Type]:
    bare = _bare(whole)
    if isinstance(bare, inspect.UnionType):
        for each in bare.types:
            yield from _alternatives(each)
    else:
        yield whole


def _bare(whole: inspect.Type) -> inspect.Type:
    return _bare(whole.type) if isinstance(whole, inspect.Metadata) else whole


def _tag(whole: inspect.Type, name: str | None) -> str | None:
    bare = _bare(whole)
    tagged = isinstance(bare, inspect.StructType) and bare.tag is not None and bare.tag_field == name
    return str(bare.tag) if tagged and isinstance(bare, inspect.StructType) else None


def _choices(here: list[inspect.Type], path: str) -> list[str]:
    """Where only a few words may stand: which."""
    last = path.rpartition(".")[2]
    tags = [tag for each in here if (tag := _tag(each, last)) is not None]
    literals = [bare for each in here if isinstance(bare := _bare(each), inspect.LiteralType)]
    return tags + [str(value) for literal in literals for value in literal.values]


def _one_of(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"


def _or_null(here: list[inspect.Type]) -> str:
    return " or null" if any(isinstance(_bare(each), inspect.NoneType) for each in here) else ""


def _example(here: list[inspect.Type]) -> list[str]:
    """Of a text."""
    for each in here:
        schema: dict[str, Any] = (each.extra_json_schema or {}) if isinstance(each, inspect.Metadata) else {}
        if isinstance(_bare(each), inspect.StrType) and schema.get("examples"):
            return [msgspec.json.encode(schema["examples"][0]).decode()]
    return []
