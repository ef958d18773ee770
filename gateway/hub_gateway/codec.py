"""JSON in, checked and typed; an error names the field. Numbers are read from their text, never as float."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import inspect

from hub_errors import Invalid
from hub_gateway.misfits import must_be, must_be_decimal
from hub_money import PLACES, parse_decimal

T = TypeVar("T")

NULL: Final = msgspec.Raw(b"null")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

_WHERE: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED: Final = re.compile(r"(?P<kind>missing required|unknown) field `(?P<name>[^`]*)`")
_CODES: Final = {"missing required": "missing_field", "unknown": "unknown_field"}
_PLURAL: Final = {"missing required": "is missing.", "unknown": "is not known here."}


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What every request body is: unknown fields are refused."""


class Schema(Generic[T]):
    """Reads one type of body."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._kind = kind

    def read(self, body: bytes | str) -> T:
        try:
            read = self._decoder.decode(body)
            if not _plain(body):
                json.loads(body, object_pairs_hook=_named_once, parse_int=str, parse_float=str)
            return read
        except msgspec.ValidationError as error:
            raise _misfit(str(error), self._kind) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid("The body is not valid JSON.", code="malformed_json") from error


def _plain(body: bytes | str) -> bool:
    """Whether there are as many colons as members: then nothing is there twice, at less cost than by looking
    at each. Colons within texts and within members make it a no, and so a closer look."""
    colons = body.count(":") if isinstance(body, str) else body.count(b":")
    try:
        return len(_MEMBERS.decode(body)) == colons
    except msgspec.ValidationError:  # not an object
        return False


def _named_once(pairs: list[tuple[str, Any]]) -> None:
    """Which of two values was meant, nobody can know; the decoder takes the last."""
    if len(dict(pairs)) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Invalid(f"{name[:100]} is there more than once.", code="repeated_field", field=name[:100])


def _misfit(text: str, kind: Any) -> Invalid:
    """An error of msgspec's, as a code, a sentence and a field."""
    where = _WHERE.search(text)
    path = where["path"] if where else ""
    what = _WHERE.sub("", text)
    named = _NAMED.search(what)
    if named:
        field = f"{path}.{named['name']}" if path else named["name"]
        return Invalid(
            f"{field[:100]} {_PLURAL[named['kind']]}", code=_CODES[named["kind"]], field=field[:100]
        )
    sentence = must_be(inspect.type_info(kind), path, what)
    if what.startswith("Invalid "):
        return Invalid(sentence, code="invalid_value", field=path)
    return Invalid(sentence, code="wrong_type", field=path)


def decimal(raw: msgspec.Raw, *, field: str, positive: bool = True, places: int = PLACES) -> Decimal:
    """A decimal, positive unless said otherwise, that came as a JSON string or a JSON number."""
    data = bytes(raw)
    if data.startswith(b'"'):
        try:
            text = msgspec.json.decode(data, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid("The body is not valid JSON.", code="malformed_json") from error
    elif data[:1] in b"-0123456789":
        text = data.decode("ascii")
    else:
        raise Invalid(must_be_decimal(field, data), code="wrong_type", field=field)
    return parse_decimal(text, field=field, positive=positive, places=places)


def optional_decimal(raw: msgspec.Raw, *, field: str) -> Decimal | None:
    return None if bytes(raw) == b"null" else decimal(raw, field=field)
