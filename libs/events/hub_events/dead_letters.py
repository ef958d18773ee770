"""What was put aside for good: read it, send it back, or drop it. Nothing is lost when this ends halfway."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aio_pika.abc import AbstractIncomingMessage
from google.protobuf.message import DecodeError

from hub.event.v1 import event_pb2
from hub_events.amqp import BROKER_FAULTS, Link
from hub_events.envelope import pack, unpack
from hub_events.failures import bury
from hub_events.labels import Label, label_of
from hub_events.topology import Family
from hub_runtime import crash_point, get_logger

GET_TIMEOUT_S: Final = 5.0
# Some brokers drop a message that was handed back 20 times: long before that it is replaced by a copy.
MOST_RETURNS: Final = 8
_RETURNS: Final = ("x-delivery-count", "x-acquired-count")

log = get_logger("dead_letters")


@dataclass(frozen=True)
class DeadLetter:
    """One event that is dead; `event` is None for a message that cannot be read, and `body` is all of it."""

    letter_id: str
    event: event_pb2.Envelope | None
    body: bytes
    queue: str
    reason: str
    put_aside_at: datetime | None


@dataclass(frozen=True)
class Held:
    """A message of the dead letters that nobody else gets now. One that the broker gave up may hold many."""

    message: AbstractIncomingMessage
    letters: Sequence[DeadLetter]


Chosen = Callable[[DeadLetter], bool]
Settle = Callable[[DeadLetter], Awaitable[None]]


@asynccontextmanager
async def holding(link: Link, family: Family, most: int) -> AsyncIterator[list[Held]]:
    """The oldest `most` messages of a family's dead letters; what is not settled meanwhile is handed back."""
    queue = await link.channel.get_queue(family.dlq, ensure=False)
    held: list[Held] = []
    try:
        while len(held) < most:
            message = await queue.get(fail=False, timeout=GET_TIMEOUT_S)
            if message is None:
                break
            held.append(Held(message, _letters(message)))
        yield held
    finally:
        with suppress(*BROKER_FAULTS):  # without a connection the broker takes them back by itself
            for each in held:
                if not each.message.processed:
                    await _hand_back(link, family, each.message)


def replayable(letter: DeadLetter, family: Family) -> bool:
    """Whether it says which queue it came from."""
    return letter.queue in family.stage_queues()


async def replay(link: Link, family: Family, held: Sequence[Held], chosen: Chosen) -> list[DeadLetter]:
    """Sends replayable events back to the queues they came from, as if never tried. What was sent."""

    async def send(letter: DeadLetter) -> None:
        await _send(link, letter)
        log.info("event_replayed", **_described(letter))

    return await _settle(
        link, family, held, lambda letter: replayable(letter, family) and chosen(letter), send
    )


async def drop(link: Link, family: Family, held: Sequence[Held], chosen: Chosen) -> list[DeadLetter]:
    """Forgets events; the log keeps each whole. What was dropped."""

    async def forget(letter: DeadLetter) -> None:
        log.warning("event_dropped", **_described(letter), body=base64.b64encode(letter.body).decode())

    return await _settle(link, family, held, chosen, forget)


async def _settle(
    link: Link, family: Family, held: Sequence[Held], chosen: Chosen, settle: Settle
) -> list[DeadLetter]:
    """A message is acknowledged after all in it is elsewhere: an end in between leaves it here, too."""
    settled: list[DeadLetter] = []
    for each in held:
        letters = [letter for letter in each.letters if chosen(letter)]
        if not letters:
            continue
        for letter in letters:
            await settle(letter)
        crash_point("dlq.before_ack")
        for letter in each.letters:
            if letter.event is not None and not chosen(letter):
                await bury(link, family, letter.queue, letter.event, letter.reason)
        await each.message.ack()
        settled += letters
    return settled


async def _send(link: Link, letter: DeadLetter) -> None:
    if letter.event is None:
        await link.publish("", letter.queue, letter.body, label=Label(letter.letter_id))
        return
    event = event_pb2.Envelope.FromString(letter.event.SerializeToString())
    event.attempt, event.failure = 0, ""
    await link.publish("", letter.queue, pack([event.SerializeToString()]), label=label_of(event))


async def _hand_back(link: Link, family: Family, message: AbstractIncomingMessage) -> None:
    headers: Mapping[str, Any] = message.headers
    if max(int(headers.get(name) or 0) for name in _RETURNS) < MOST_RETURNS:
        await message.nack(requeue=True)
        return
    kept = {name: value for name, value in headers.items() if name not in _RETURNS}
    copy = Label(message.message_id, kept, message.timestamp)
    await link.publish("", family.dlq, message.body, label=copy)
    await message.ack()


def _letters(message: AbstractIncomingMessage) -> list[DeadLetter]:
    queue, reason, at = _origin(message)
    try:
        events = unpack(message.body)
    except DecodeError:
        events = []
    if not events:
        return [DeadLetter(message.message_id or "", None, message.body, queue, reason, at)]
    return [
        DeadLetter(event.event_id, event, event.SerializeToString(), queue, event.failure or reason, at)
        for event in events
    ]


def _origin(message: AbstractIncomingMessage) -> tuple[str, str, datetime | None]:
    """Where it came from, why, and when: from our own label, or from the broker's where it gave up."""
    headers: Any = message.headers
    deaths = headers.get("x-death") or [{}]
    queue = headers.get("queue") or deaths[0].get("queue") or ""
    reason = headers.get("reason") or f"the broker gave up: {deaths[0].get('reason', 'unknown')}"
    at = message.timestamp or deaths[0].get("time")
    return str(queue), str(reason), at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _described(letter: DeadLetter) -> dict[str, str]:
    event = letter.event or event_pb2.Envelope()
    return {
        "event_id": letter.letter_id,
        "type": event.type or "unreadable",
        "account_id": event.account_id,
        "queue": letter.queue,
        "reason": letter.reason,
    }
