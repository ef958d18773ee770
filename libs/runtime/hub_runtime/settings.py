"""Settings come from the environment and a file, once, at the start; every fault is told with its name."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

from hub_runtime.settings_file import as_text, read_settings_file, unknown_keys

PREFIX = "HUB_"
FILE_VARIABLE = f"{PREFIX}SETTINGS_FILE"
_NUMBERS = (int, float, Decimal, timedelta)
_REQUIRED: Any = object()


@dataclass(frozen=True)
class Settings:
    """Base of all settings; fields are declared with `setting`."""

    def __post_init__(self) -> None:
        """Where parts are checked together: raises SettingsError. Overrides call super()."""


S = TypeVar("S", bound=Settings)


class SettingsError(Exception):
    """`faults` has one line for each variable that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be host:port")
        return cls(host.strip("[]"), int(port))


def setting(doc: str, *, default: Any = _REQUIRED, parse: Callable[[str], Any] | None = None) -> Any:
    """Declares a field: what it means, its default (required without one), how its text is read."""
    metadata = {"doc": doc, "parse": parse}
    if default is _REQUIRED:
        return dataclasses.field(kw_only=True, metadata=metadata)
    return dataclasses.field(kw_only=True, default=default, metadata=metadata)


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def ratio(text: str) -> float:
    number = _number(float, "a number from 0 to 1")(text)
    if not 0 <= number <= 1:
        raise ValueError("must be a number from 0 to 1")
    return float(number)


def url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return text

    return parse


def load(settings_type: type[S], environment: Mapping[str, str] | None = None) -> S:
    """Raises SettingsError with all faults at once. An empty variable counts as one that is not set.

    What no variable says is looked up in the file that HUB_SETTINGS_FILE names.
    """
    environment = os.environ if environment is None else environment
    types = typing.get_type_hints(settings_type)
    values: dict[str, Any] = {}
    path = environment.get(FILE_VARIABLE, "").strip()
    in_file = _file(path) if path else {}
    faults = [f"{path}: {fault}" for fault in unknown_keys(in_file, types)]
    for field in dataclasses.fields(settings_type):
        variable = PREFIX + field.name.upper()
        text, place = environment.get(variable, "").strip(), variable
        try:
            if not text and field.name in in_file:
                place = f"{path}: {field.name}"
                text = _text(in_file[field.name], types[field.name]).strip()
            if text:
                values[field.name] = (field.metadata.get("parse") or _parser(types[field.name]))(text)
            elif field.default is dataclasses.MISSING:
                faults.append(f"{variable}: is required ({field.metadata['doc']})")
        except ValueError as error:
            faults.append(f"{place}: {error}")
    if faults:
        raise SettingsError(faults)
    return settings_type(**values)


def _file(path: str) -> dict[str, object]:
    try:
        return read_settings_file(path)
    except ValueError as error:
        raise SettingsError([f"{FILE_VARIABLE}: {error}"]) from None


def _text(value: object, kind: Any) -> str:
    """What a file says, as a variable would say it."""
    kind = _without_none(kind)
    return as_text(
        value,
        is_list=typing.get_origin(kind) is tuple,
        is_number=kind in _NUMBERS,
        is_boolean=kind is bool,
    )


def describe(settings_type: type[Settings]) -> str:
    """A table for --help: variable, default, meaning."""
    rows = []
    for field in dataclasses.fields(settings_type):
        required = field.default is dataclasses.MISSING
        shown = "required" if required else _shown(field.default)
        rows.append((not required, PREFIX + field.name.upper(), shown, field.metadata.get("doc", "")))
    rows.sort(key=lambda row: row[0])
    name_width = max((len(name) for _, name, _, _ in rows), default=0)
    value_width = max((len(shown) for _, _, shown, _ in rows), default=0)
    return "\n".join(f"  {name:<{name_width}}  {shown:<{value_width}}  {doc}" for _, name, shown, doc in rows)


def _shown(value: object) -> str:
    if value in ("", None):
        return "-"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.15g}"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(kind: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            number = kind(text)
        except (ValueError, InvalidOperation):
            raise ValueError(f"must be {what}") from None
        if number - number != 0:  # infinite, or not a number
            raise ValueError(f"must be {what}")
        return number

    return parse


def _boolean(text: str) -> bool:
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]


def _path(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise ValueError(f"there is nothing at {text}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{text} cannot be read")
    return path


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(text: str) -> timedelta:
    try:
        duration = timedelta(seconds=_number(float, "a number of seconds")(text))
    except OverflowError:
        raise ValueError("must be a number of seconds") from None
    if duration < timedelta(0):
        raise ValueError("must be a number of seconds, not negative")
    return duration


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _parser(kind: Any) -> Callable[[str], Any]:
    kind = _without_none(kind)
    if typing.get_origin(kind) is tuple:
        return _list
    parsers: dict[Any, Callable[[str], Any]] = {
        str: str,
        int: _number(int, "a whole number"),
        float: _number(float, "a number"),
        Decimal: _number(Decimal, "a decimal number"),
        bool: _boolean,
        Path: _path,
        Address: Address.parse,
        timedelta: _seconds,
    }
    return parsers[kind]
