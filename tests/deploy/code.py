"""What the code says about itself, for tests that hold manifests against it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub_runtime import Settings


@dataclass(frozen=True)
class Service:
    """A service's jobs, and its variables with whether each must be given."""

    jobs: frozenset[str]
    variables: Mapping[str, bool]
    settings: type[Settings]


def service(name: str) -> Service:
    """As its package declares it."""
    package = f"hub_{name.replace('-', '_')}"
    main = importlib.import_module(f"{package}.__main__")
    module = importlib.import_module(f"{package}.settings")
    own = [
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Settings) and each.__module__ == module.__name__
    ]
    # One may be a part of another.
    [settings] = [each for each in own if not any(each in other.__mro__[1:] for other in own)]
    fields = dataclasses.fields(settings)
    return Service(
        jobs=frozenset(main.JOBS),
        variables={f"HUB_{field.name.upper()}": field.default is dataclasses.MISSING for field in fields},
        settings=settings,
    )


def options(arguments: Sequence[str]) -> dict[str, str]:
    """What a PostgreSQL is started with: `-c name=value`."""
    return dict(each.split("=", 1) for each in arguments if "=" in each)


def megabytes(size: str) -> int:
    """As PostgreSQL says it."""
    return int(size[:-2]) * {"MB": 1, "GB": 1024}[size[-2:]]
