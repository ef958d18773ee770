"""One life of the platform: what callers ask, what the world does to it, and what the callers were told."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_errors import HubError, Refused
from hub_order.mapping import closing, replacement
from hub_order.usecases.cancel import cancel, cancel_all
from hub_order.usecases.replace import replace
from hub_order.usecases.submit import close_position
from hub_runtime import CrashPointError, crash_points, utc_now, uuid7
from hub_runtime.crash_points import armed
from tests.adversity.checks import assert_right
from tests.adversity.platform import Platform
from tests.adversity.venues import TellingVenue
from tests.adversity.watch import Watch
from tests.adversity.wire import Loss
from tests.order.house import submission
from tests.support.tokens import TokenUser as User

HOUR = timedelta(hours=1)
CENT = Decimal("0.01")
TURNS = 60
DEATHS = frozenset({"internal", "unavailable", "stopping"})

Act = Callable[[], Awaitable[Any]]


@dataclass
class Sent:
    """A submission, and the first answer that its caller was given, if any was."""

    user: User
    item: order_pb2.OrderSubmission
    answer: bytes = b""


@dataclass
class Life:
    platform: Platform
    watch: Watch
    users: list[User]
    sent: list[Sent] = field(default_factory=list)
    _number: int = 0

    async def begin(self) -> None:
        """Open now, and again in an hour, and again; some own shares already."""
        tape, start = self.platform.tape, utc_now()
        tape.hours(*((start + 2 * n * HOUR, start + (2 * n + 1) * HOUR) for n in range(20)))
        tape.time(start + timedelta(minutes=30))
        tape.quote("AAPL", "99.90", "100.00")
        tape.quote("MSFT", "49.98", "50.00")
        await self.watch.lead()
        for user in self.users[:1]:
            await self.send(self.sending(user, quantity="40"))
        await self.settle()

    # What callers do.

    def sending(self, user: User, **fields: Any) -> Sent:
        return Sent(user, submission(user, client_order_id=self._name(), **fields))

    async def send(self, *wanted: Sent) -> None:
        """In one call, as the gateway does; what was answered before is answered again."""
        self.sent += [sent for sent in wanted if sent not in self.sent]
        results = await self.platform.submit(*(sent.item for sent in wanted))
        for sent, result in zip(wanted, results, strict=True):
            if result.HasField("accepted"):
                assert sent.answer in {b"", _bytes(result)}, result
                sent.answer = _bytes(result)
            elif sent.answer:
                assert result.refused.code in DEATHS, result

    async def again(self, sent: Sent) -> None:
        """Nobody knows whether it arrived, so the gateway sends it once more."""
        sent.item.deadline.FromDatetime(utc_now() + timedelta(seconds=10))
        await self.send(sent)

    async def again_by_key(self, sent: Sent, *, other_body: bool) -> None:
        """The caller asks again, under the same key."""
        item = order_pb2.OrderSubmission()
        item.CopyFrom(sent.item)
        item.order_id = str(uuid7())
        if other_body:
            item.body_hash = hashlib.sha256(b"other").digest()
        # While the first holds money and is no order yet, the answer is waited for.
        item.deadline.FromDatetime(utc_now() + timedelta(seconds=10 if sent.answer else 0.15))
        (result,) = await self.platform.submit(item)
        if not sent.answer or result.refused.code in DEATHS:
            if result.HasField("accepted") and not other_body:
                sent.answer = _bytes(result)
            elif result.HasField("accepted"):
                self.sent.append(Sent(sent.user, item, _bytes(result)))
            return
        if other_body:
            assert result.refused.code == "idempotency_key_reused", result
        else:
            assert _bytes(result) == sent.answer, result

    async def cancel(self, user: User, order_id: UUID) -> None:
        with suppress(Refused, HubError):
            await cancel(order_id, self.platform.principal(user), orders=self.platform.orders)

    async def cancel_all(self, user: User) -> None:
        await cancel_all(self.platform.principal(user), symbol="", orders=self.platform.orders)

    async def replace(self, user: User, order_id: UUID, **fields: Any) -> None:
        wanted = order_pb2.ReplaceOrderRequest(
            order_id=str(order_id),
            new_order_id=str(uuid7()),
            client_order_id=self._name(),
            body_hash=hashlib.sha256(repr(sorted(fields.items())).encode()).digest(),
            **fields,
        )
        principal, exchange = self.platform.principal(user), self.platform.exchange
        with suppress(HubError):
            await replace(replacement(wanted), principal, desk=self.platform.desk, exchange=exchange)

    async def send_to_venue(self, user: User, quantity: str, shown: str) -> None:
        """A limit purchase that the market reaches already, with that much of it shown."""
        await self.quote("AAPL", Decimal(self.price("AAPL", 0, ask=False)), 10, shown)
        limited = {"type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": self.price("AAPL", 2)}
        forever = order_pb2.TIME_IN_FORCE_GTC
        await self.send(self.sending(user, quantity=quantity, time_in_force=forever, **limited))
        await self.platform.relay()
        await self.deliver("orders", None, 100, acked=True)

    async def replace_at_venue(self, number: int, *, quantity: str, percent: int) -> None:
        users = {user.account_id: user for user in self.users}
        found = [
            order
            for order in await self.platform.orders.at_venue(after=UUID(int=0), limit=100)
            if order.account_id in users and order.limit_price is not None
        ]
        if found:
            order = found[-1 - number % len(found)]
            price = self.price(order.symbol, percent)
            await self.replace(users[order.account_id], order.order_id, quantity=quantity, limit_price=price)

    async def close(self, user: User, symbol: str, percentage: str) -> None:
        wanted = order_pb2.ClosePositionRequest(
            order_id=str(uuid7()), symbol=symbol, percentage=percentage, body_hash=b"close"
        )
        with suppress(HubError):
            await close_position(closing(wanted), self.platform.principal(user), desk=self.platform.desk)

    # What the world does.

    async def quote(self, symbol: str, bid: Decimal, spread: int, size: str, **extremes: str) -> None:
        ask = bid + spread * CENT
        fields: dict[str, Any] = {"bid_size": size, "ask_size": size, **extremes}
        self.platform.tape.quote(symbol, str(bid), str(ask), **fields)

    async def pass_hours(self) -> None:
        """To the next open or close."""
        tape = self.platform.tape
        now = tape.cache.market_time()
        moments = [moment for session in tape.sessions for moment in session]
        tape.time(min(moment for moment in moments if moment > now) + timedelta(seconds=1))

    async def hear_venue(self, chance: random.Random, count: int, *, keep: bool) -> None:
        """Some of what it has said arrives; what is kept arrives once more."""
        venue = self.platform.venue
        if not isinstance(venue, TellingVenue) or not venue.said:
            return
        chance.shuffle(venue.said)
        heard = venue.said[:count]
        try:
            await self.platform.venue_desk.record(heard)
        except CrashPointError:
            return
        if not keep:
            venue.said = venue.said[count:]

    async def deliver(self, line: str, chance: random.Random | None, count: int, *, acked: bool) -> None:
        handle = self.platform.work if line == "orders" else self.platform.books.handle
        await self.platform.broker.deliver(line, handle, count=count, chance=chance, acked=acked)

    async def dying(self, point: str, act: Act) -> None:
        """If it comes to this point, the process is gone with all that it had in memory."""
        with armed(f"{point}=error@1" if point else ""):
            with suppress(CrashPointError):
                await act()
            died = bool(point) and crash_points._armed[point].passes > 0
        if died and point.startswith("order."):
            await self.restart()

    async def restart(self) -> None:
        venue = self.platform.venue
        if isinstance(venue, TellingVenue):
            venue.said.clear()
        await self.platform.restart()
        await self.watch.lead()

    async def losing(self, loss: Loss, act: Act) -> None:
        self.platform.wire.loss = loss
        try:
            await act()
        finally:
            self.platform.wire.loss = Loss.NOTHING

    # How it ends.

    async def settle(self) -> None:
        """Everything that is under way arrives, what was lost is asked for, and all is as it should be."""
        for _ in range(TURNS):
            if not await self._turn():
                break
        else:
            raise AssertionError("it does not come to rest")
        await assert_right(self.platform, self.users)
        await self._assert_one_order_per_key()

    async def end(self) -> None:
        """Nothing is open any more, so nothing is held."""
        await self.settle()
        for user in self.users:
            await self.cancel_all(user)
        await self.settle()
        for user in self.users:
            ids = await self.platform.orders.open_of(user.account_id, symbol="", limit=10)
            assert ids == []

    async def _turn(self) -> bool:
        """Whether there was anything."""
        platform, venue = self.platform, self.platform.venue
        moved = await platform.relay() > 0
        for line, handle in (("orders", platform.work), ("positions", platform.books.handle)):
            moved |= await platform.broker.deliver(line, handle, count=1000, chance=None) > 0
        if moved:
            return True
        if isinstance(venue, TellingVenue):
            said, venue.said = venue.said, []
            await platform.venue_desk.record(said)
            if said or await platform.venue_desk.reconcile_once():
                return True
        await platform.sweep()
        return await platform.order_pool.fetchval("SELECT EXISTS (SELECT FROM outbox)") is True

    async def _assert_one_order_per_key(self) -> None:
        by_key: dict[tuple[UUID, str], set[str]] = {}
        for sent in self.sent:
            if sent.item.idempotency_key and sent.answer:
                key = sent.user.account_id, sent.item.idempotency_key
                order_id = order_pb2.Order.FromString(sent.answer).order_id
                by_key.setdefault(key, set()).add(order_id)
        assert all(len(ids) == 1 for ids in by_key.values()), by_key

    def price(self, symbol: str, percent: str | int, *, ask: bool = True) -> str:
        """So far from the market, in per cent."""
        quote = self.platform.tape.cache.quote(symbol)
        assert quote is not None
        price = (quote.ask if ask else quote.bid) * (100 + Decimal(percent)) / 100
        return str(max(price.quantize(CENT, rounding=ROUND_HALF_UP), CENT))

    def _name(self) -> str:
        self._number += 1
        return f"n{self._number}"


def _bytes(result: order_pb2.SubmissionResult) -> bytes:
    return result.accepted.order.SerializeToString(deterministic=True)
