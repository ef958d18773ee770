"""What a body should have been is said in words for people, with what may stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import pytest

from hub_errors import Invalid
from hub_gateway.codec import Body, Schema, decimal
from hub_gateway.types.common import described


class One(Body, frozen=True, tag_field="kind", tag="one"):
    """A message."""

    side: Literal["SELL", "BUY"]
    force: Annotated[Literal["DAY"] | None, described("How long.")] = None
    name: Annotated[str, described("Whose.", "Ada")] = ""
    maybe: str | None = None
    times: int = 0
    works: bool = False
    least: Annotated[int, msgspec.Meta(ge=0, le=9)] = 5
    names: Sequence[Annotated[str, described("Each.", "Ada")]] = ()
    inner: Sequence[Literal["A", "B"]] = ()
    by_name: Mapping[str, int] = msgspec.field(default_factory=dict)


class Two(Body, frozen=True, tag_field="kind", tag="two"):
    """Another."""


SCHEMA: Schema[One | Two] = Schema(One | Two)


@pytest.mark.parametrize(
    ("change", "code", "field", "sentence"),
    [
        ({"side": "buy"}, "invalid_value", "side", "side must be one of BUY, SELL."),
        ({"side": 1}, "wrong_type", "side", "side must be one of BUY, SELL."),
        ({"force": "GTC"}, "invalid_value", "force", "force must be DAY or null."),
        ({"force": 7}, "wrong_type", "force", "force must be DAY or null."),
        ({"name": 5}, "wrong_type", "name", 'name must be a text, such as "Ada".'),
        ({"name": None}, "wrong_type", "name", 'name must be a text, such as "Ada".'),
        ({"maybe": 5}, "wrong_type", "maybe", "maybe must be a text or null."),
        ({"times": "5"}, "wrong_type", "times", "times must be a whole number."),
        ({"times": 1.5}, "wrong_type", "times", "times must be a whole number."),
        ({"least": -1}, "wrong_type", "least", "least must be a whole number of at least 0."),
        ({"least": 10}, "wrong_type", "least", "least must be a whole number of at most 9."),
        ({"works": "yes"}, "wrong_type", "works", "works must be true or false."),
        ({"names": "Ada"}, "wrong_type", "names", "names must be a list."),
        ({"names": ["Ada", 5]}, "wrong_type", "names[1]", 'names[1] must be a text, such as "Ada".'),
        ({"inner": ["A", "C"]}, "invalid_value", "inner[1]", "inner[1] must be one of A, B."),
        ({"by_name": []}, "wrong_type", "by_name", "by_name must be an object."),
        ({"by_name": {"a": "5"}}, "wrong_type", "by_name[...]", "by_name[...] must be a whole number."),
        ({"kind": "three"}, "invalid_value", "kind", "kind must be one of one, two."),
        ({"kind": 3}, "wrong_type", "kind", "kind must be one of one, two."),
    ],
    ids=str,
)
def test_what_may_stand_there(change: dict[str, Any], code: str, field: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        SCHEMA.read(msgspec.json.encode({"kind": "one", "side": "BUY", **change}))
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.message == sentence


@pytest.mark.parametrize(
    ("value", "came"),
    [
        (b"true", "true"),
        (b"false", "false"),
        (b"[]", "a list"),
        (b'["1"]', "a list"),
        (b'{"value": 1}', "an object"),
        (b"null", "null"),
    ],
)
def test_what_is_no_decimal_is_named(value: bytes, came: str) -> None:
    with pytest.raises(Invalid) as refused:
        decimal(msgspec.Raw(value), field="quantity")
    assert (refused.value.code, refused.value.field) == ("wrong_type", "quantity")
    must_be = 'quantity must be a decimal number or a text, such as "10"'
    assert refused.value.message == f"{must_be}, and not {came}."


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"text"'])
def test_a_body_is_an_object(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        SCHEMA.read(body)
    assert (refused.value.code, refused.value.field) == ("wrong_type", "")
    assert refused.value.message == "The body must be an object."
