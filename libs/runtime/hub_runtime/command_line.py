"""What `python -m hub_x ...` takes: names of jobs, `migrate`, `--help`. Faults end with exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from hub_runtime.settings import FILE_VARIABLE, Settings, SettingsError, describe, load

S = TypeVar("S", bound=Settings)

MIGRATE = "migrate"


@dataclass(frozen=True)
class Command:
    """Something a person has a service do, that has an end. `run` takes the settings and the words behind the
    command's name, and answers the exit code."""

    meaning: str
    run: Callable[[Any, Sequence[str]], Awaitable[int]]


@dataclass(frozen=True)
class CommandLine(Generic[S]):
    jobs: frozenset[str]
    migrate: bool
    settings: S
    command: Command | None = None
    arguments: Sequence[str] = ()


def parse_command_line(
    name: str,
    description: str,
    jobs: Mapping[str, str],
    settings_type: type[S],
    *,
    can_migrate: bool,
    commands: Mapping[str, Command] | None = None,
) -> CommandLine[S]:
    """Answers help and faults itself, by leaving. A command comes first, and what follows is its own."""
    words, commands = sys.argv[1:], commands or {}
    if any(word in {"-h", "--help", "help"} for word in words):
        once = {each: command.meaning for each, command in commands.items()}
        if can_migrate:
            once[MIGRATE] = (
                "bring the database up to date, then exit (with the owner's role in HUB_DATABASE_URL)"
            )
        sys.stdout.write(help_text(name, description, jobs, once, settings_type))
        raise SystemExit(0)
    command = commands.get(words[0]) if words else None
    known = [*jobs, MIGRATE] if can_migrate else [*jobs]
    unknown = [word for word in words if word not in known]
    if unknown and command is None:
        known = [*known, *commands]
        _leave([f"{word}: no such job; there are {', '.join(known)} (see --help)" for word in unknown])
    if MIGRATE in words and len(words) > 1:
        _leave([f"{MIGRATE}: goes alone"])
    try:
        settings = load(settings_type)
    except SettingsError as error:
        _leave(error.faults)
    if command is not None:
        return CommandLine(
            frozenset(), migrate=False, settings=settings, command=command, arguments=words[1:]
        )
    chosen = frozenset(words) - {MIGRATE}
    return CommandLine(jobs=chosen or frozenset(jobs), migrate=MIGRATE in words, settings=settings)


def help_text(
    name: str,
    description: str,
    jobs: Mapping[str, str],
    once: Mapping[str, str],
    settings_type: type[Settings],
) -> str:
    """`once` is what has an end and does not run without being named."""
    rows = {**jobs, **once}
    width = max(len(row) for row in rows)
    listed = "\n".join(f"  {row:<{width}}  {meaning}" for row, meaning in rows.items())
    command = f"python -m hub_{name.replace('-', '_')}"
    default = " and ".join(filter(None, [", ".join([*jobs][:-1]), [*jobs][-1]]))
    return (
        f"{name}: {description}\n\n"
        f"Usage: {command} [job ...]\n\n"
        f"Jobs (without any: {default}):\n{listed}\n\n"
        f"Settings (environment variables, with their defaults):\n{describe(settings_type)}\n\n"
        f"{FILE_VARIABLE} may name a TOML file with the same names in lower case and without HUB_,\n"
        f'such as log_level = "debug"; a variable comes before the file, an unknown key is refused.\n\n'
        f"Stop it with SIGTERM or Ctrl-C. Exit codes: 0 stopped, 1 failed, 2 wrong arguments or settings.\n"
    )


def _leave(faults: list[str]) -> NoReturn:
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    raise SystemExit(2)
