"""Dead letters by hand: `python -m hub_events dlq list|show|replay|drop`, with the settings of a service."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime

from google.protobuf.json_format import MessageToDict

from hub_events.amqp import BROKER_FAULTS, Amqp, Link
from hub_events.dead_letters import DeadLetter, Held, drop, holding, replay, replayable
from hub_events.topology import TOPOLOGY, Family
from hub_runtime import AmqpSettings, SettingsError, load, set_up_logging, utc_now
from hub_runtime.crash_points import arm

VERBS = {
    "list": "one line for each event",
    "show": "each event whole, as JSON",
    "replay": "send events back to the queues they came from, as if never tried",
    "drop": "forget events; the log keeps them",
}
COLUMNS = ("TYPE", "EVENT", "ACCOUNT", "QUEUE", "AGE", "ATTEMPT", "REASON")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 an event is not there or the broker is not, 2 wrong arguments or settings."""
    options = _options(arguments)
    set_up_logging("dlq", style="text" if sys.stderr.isatty() else "json")
    if os.environ.get("HUB_ENVIRONMENT") != "production":
        arm(os.environ.get("HUB_CRASH_POINTS", ""))
    try:
        settings = load(AmqpSettings)
    except SettingsError as error:
        sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
        return 2
    amqp = Amqp(settings.amqp_url, settings.amqp_password, name="dlq")
    try:
        return asyncio.run(_run(amqp, options))
    except BROKER_FAULTS as error:
        sys.stderr.write(f"the broker does not answer: {error!r}\n")
        return 1


async def _run(amqp: Amqp, options: argparse.Namespace) -> int:
    family = amqp.topology.family(options.family)
    async with amqp.link("dlq") as link, holding(link, family, options.most) as held:
        letters = [letter for each in held for letter in each.letters]
        found = [letter for letter in letters if _chosen(letter, options)]
        if options.verb == "list":
            _say(_table(found))
        elif options.verb == "show":
            _say(json.dumps([_document(letter) for letter in found], indent=2))
        else:
            await _settle(link, family, held, options)
        if len(held) == options.most:
            sys.stderr.write(f"these are the oldest {options.most} messages; there may be more (--most)\n")
    missing = set(options.event_id) - {letter.letter_id for letter in letters}
    stuck = [each for each in found if options.verb == "replay" and not replayable(each, family)]
    for event_id in sorted(missing):
        sys.stderr.write(f"{event_id}: is not among the dead letters of {family.name}\n")
    for letter in stuck:
        sys.stderr.write(f"{letter.letter_id}: does not say which queue it came from, so it stays\n")
    return int(bool(missing or stuck))


async def _settle(link: Link, family: Family, held: list[Held], options: argparse.Namespace) -> None:
    act, did = (replay, "replayed") if options.verb == "replay" else (drop, "dropped")
    for letter in await act(link, family, held, lambda letter: _chosen(letter, options)):
        _say(f"{did} {_type(letter)} {letter.letter_id} {letter.queue}")


def _chosen(letter: DeadLetter, options: argparse.Namespace) -> bool:
    return options.all or letter.letter_id in options.event_id


def _table(letters: Sequence[DeadLetter]) -> str:
    rows = [COLUMNS, *(_row(letter) for letter in letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(letter: DeadLetter) -> tuple[str, ...]:
    account = letter.event.account_id if letter.event else ""
    attempt = str(letter.event.attempt) if letter.event else ""
    age = _age(letter.put_aside_at)
    cells = (_type(letter), letter.letter_id, account, letter.queue, age, attempt, letter.reason)
    return tuple(" ".join(cell.split()) or "-" for cell in cells)


def _type(letter: DeadLetter) -> str:
    return letter.event.type if letter.event else "unreadable"


def _age(moment: datetime | None) -> str:
    if moment is None:
        return ""
    seconds = max(0, round((utc_now() - moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _document(letter: DeadLetter) -> dict[str, object]:
    return {
        "event_id": letter.letter_id,
        "queue": letter.queue,
        "reason": letter.reason,
        "put_aside_at": letter.put_aside_at.isoformat() if letter.put_aside_at else None,
        "event": MessageToDict(letter.event, preserving_proto_field_name=True) if letter.event else None,
        "body": None if letter.event else base64.b64encode(letter.body).decode(),
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hub_events", description=__doc__)
    subject = parser.add_subparsers(dest="subject", required=True, metavar="SUBJECT")
    verbs = subject.add_parser("dlq", help="dead letters").add_subparsers(
        dest="verb", required=True, metavar="VERB"
    )
    for name, text in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument(
            "--family",
            required=True,
            choices=[each.name for each in TOPOLOGY.families],
            help="whose dead letters",
        )
        which = verb.add_mutually_exclusive_group(required=name != "list")
        which.add_argument("--event-id", action="append", default=[], help="this one; may be said again")
        which.add_argument("--all", action="store_true", help="all of them")
        verb.add_argument(
            "--most", type=int, default=1000, help="messages that are looked at, the oldest (1000)"
        )
    options = parser.parse_args(arguments)
    options.all = options.all or not options.event_id
    return options


if __name__ == "__main__":
    sys.exit(main())
