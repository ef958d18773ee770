"""Settings from a TOML file: the variables' names in lower case without HUB_. Knows no setting's meaning."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path


def read_settings_file(path: str) -> dict[str, object]:
    """Raises ValueError, in one line, for a file that cannot be had."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        # A number stays as it was written, so that a decimal is never rounded on its way.
        return tomllib.loads(text, parse_float=Number)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None


def unknown_keys(content: Collection[str], known: Collection[str]) -> list[str]:
    """A line for each."""
    return [f"{key}: is no setting of this process{_hint(key, known)}" for key in content if key not in known]


class Number(str):
    """A number with a point or an exponent, as it was written."""

    __slots__ = ()


def as_text(value: object, *, is_list: bool, is_number: bool, is_boolean: bool) -> str:
    """The value as it would stand in a variable. Raises ValueError for one of a wrong type."""
    if isinstance(value, bool):
        if is_boolean:
            return str(value).lower()
    elif isinstance(value, int | Number):
        if is_number:
            return str(value)
    elif isinstance(value, str):
        return value
    elif is_list and isinstance(value, list) and all(isinstance(part, str) for part in value):
        if any("," in part for part in value):
            raise ValueError("must be a list of strings without commas")
        return ",".join(value)
    if is_list:
        raise ValueError("must be a list of strings")
    raise ValueError(f"must be a {'number' if is_number else 'boolean' if is_boolean else 'string'}")


def _hint(key: str, known: Collection[str]) -> str:
    plain = key.lower().removeprefix("hub_")
    near = [plain] if plain in known else difflib.get_close_matches(plain, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
