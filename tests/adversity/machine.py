"""The moves of an adversary: hypothesis draws them, in any number and order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hub.order.v1 import order_pb2
from hub_order.domain import Order
from hub_order.venue import Faults, FillModel, Venue
from hub_postgres import Pool
from tests.adversity.life import Act, Life, Sent
from tests.adversity.platform import platform
from tests.adversity.venues import InterruptedVenue, TellingVenue
from tests.adversity.watch import Watch
from tests.adversity.wire import Loss
from tests.support.tokens import Signer
from tests.support.tokens import TokenUser as User

BUY, SELL = order_pb2.SIDE_BUY, order_pb2.SIDE_SELL
MARKET, LIMIT = order_pb2.ORDER_TYPE_MARKET, order_pb2.ORDER_TYPE_LIMIT
STOP, STOP_LIMIT = order_pb2.ORDER_TYPE_STOP_LOSS, order_pb2.ORDER_TYPE_STOP_LIMIT
TRAILING = order_pb2.ORDER_TYPE_TRAILING_STOP
DAY, GTC = order_pb2.TIME_IN_FORCE_DAY, order_pb2.TIME_IN_FORCE_GTC
IOC, FOK = order_pb2.TIME_IN_FORCE_IOC, order_pb2.TIME_IN_FORCE_FOK

Kinds = tuple[order_pb2.OrderType.ValueType, ...]
TIMES = (DAY, DAY, GTC, IOC, FOK)
RESTING: Kinds = (LIMIT, LIMIT, STOP, STOP_LIMIT, TRAILING)

SUBMIT_POINTS = ("order.submit.after_hold", "position.holds.before_commit", "position.holds.after_commit")
CHANGE_POINTS = ("order.change.before_commit", "order.change.after_commit")
WORK_POINTS = (
    *("order.execute.before_send", "order.execute.after_send", *CHANGE_POINTS),
    *("order.replace.after_ask", "order.record.before_commit", "order.record.after_commit"),
    *("position.reprice.before_commit", "position.reprice.after_commit"),
)
BOOK_POINTS = ("position.book.before_commit", "position.book.after_commit")
RECORD_POINTS = ("order.record.before_commit", "order.record.after_commit")
REPLACE_POINTS = (
    *("order.replace.after_hold", "order.replace.before_commit", "order.replace.after_commit"),
    *("order.replace.before_ask_commit", "order.replace.after_ask_commit"),
    *SUBMIT_POINTS[1:],
)

seldom = st.sampled_from([False] * 3 + [True])
rarely = st.sampled_from([False] * 15 + [True])
chances = st.integers(0, 2**16).map(random.Random)
counts = st.sampled_from([1, 1, 2, 3, 8])
symbols = st.sampled_from(["AAPL", "AAPL", "MSFT"])
percents = st.sampled_from([1, 2, 4])
sizes = st.sampled_from(["1", "3", "10", "25", "0.5", "60"])
losses = st.sampled_from([Loss.NOTHING] * 14 + [Loss.REQUEST, Loss.ANSWER])
numbers = st.integers(0, 30)


def deaths(points: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([""] * 5 * len(points) + list(points))


@dataclass(frozen=True)
class NumberedModel(FillModel):
    """Draws by the name that the test gave the order, not by its id: an example can be played again."""

    def draw(self, what: str, order: Order, quote: Any) -> Decimal:
        return Decimal(random.Random(f"{self.seed}/{what}/{order.client_order_id}/{quote.seq}").random())


@dataclass
class Room:
    """What all examples share."""

    runner: asyncio.Runner
    order_pool: Pool
    position_pool: Pool
    keys: Signer
    dirty: bool = True
    """The example before did not come to its end."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


class Adversary(RuleBasedStateMachine):
    room: Room
    life: Life

    @initialize(
        slow=st.booleans(),
        participation=st.booleans(),
        slippage=st.sampled_from(["0", "0.01"]),
        bad=st.sampled_from(["", "", "rejected", "overfilled", "doubled"]),
        seed=st.integers(0, 9),
        ordered=st.booleans(),
        terms=st.data(),
    )
    def begin(
        self,
        slow: bool,
        participation: bool,
        slippage: str,
        bad: str,
        seed: int,
        ordered: bool,
        terms: Any,
    ) -> None:
        self.ordered = ordered
        model = NumberedModel(participation=participation, slippage=Decimal(slippage), seed=seed)
        faults = Faults(**({bad: Decimal("0.5")} if bad else {}))  # type: ignore[arg-type]
        makes_room = bool(seed % 2)
        venue: Venue = TellingVenue(model, faults, makes_room=makes_room) if slow else InterruptedVenue(model)
        self.life = self.room.run(self._begin(venue))
        for number in (0, 1):
            self.submit(number, RESTING, terms, "", Loss.NOTHING, swept=False)
        self.flow()

    async def _begin(self, venue: Venue) -> Life:
        room, self._stack = self.room, AsyncExitStack()
        if room.dirty:
            await clean(room)
        room.dirty = True
        made = await self._stack.enter_async_context(
            platform(room.order_pool, room.position_pool, keys=room.keys, venue=venue)
        )
        users = [await made.user(Decimal(20_000)), await made.user(Decimal(3_000))]
        life = Life(made, Watch(made.resting, made.market, made.broker), users)
        await life.begin()
        return life

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.room.run(self._end())

    async def _end(self) -> None:
        async with self._stack:
            await self.life.end()
            self.room.dirty = False

    def user(self, number: int) -> User:
        return self.life.users[number % 2]

    def some(self, number: int) -> tuple[User, UUID]:
        """An order that somebody sent, the newest first."""
        sent = self.life.sent[-1 - number % len(self.life.sent)]
        return sent.user, UUID(sent.item.order_id)

    def do(self, act: Act, *, death: str = "", loss: Loss = Loss.NOTHING) -> None:
        async def acting() -> None:
            await self.life.losing(loss, partial(self.life.dying, death, act))

        self.room.run(acting())

    # What callers do.

    @rule(
        number=numbers,
        kinds=st.sampled_from([(MARKET,), RESTING, RESTING, (LIMIT,)]),
        terms=st.data(),
        death=deaths(SUBMIT_POINTS),
        loss=losses,
        swept=rarely,
    )
    def submit(self, number: int, kinds: Kinds, terms: Any, death: str, loss: Loss, swept: bool) -> None:
        """Some at once, as the gateway sends them."""
        life = self.life
        life.platform.wire.meanwhile = life.platform.sweep if swept else None
        wanted = [orders(life, kinds, number) for number in range(terms.draw(st.integers(1, 5)))]
        users = [self.user(number + terms.draw(seldom)) for _ in wanted]
        items = [life.sending(user, **terms.draw(each)) for user, each in zip(users, wanted, strict=True)]
        self.do(partial(life.send, *items), death=death, loss=loss)
        life.platform.wire.meanwhile = None

    @rule(
        number=numbers,
        kinds=st.just((MARKET, LIMIT)),
        terms=st.data(),
        death=deaths(SUBMIT_POINTS),
        loss=losses,
    )
    def submit_more(self, number: int, kinds: Kinds, terms: Any, death: str, loss: Loss) -> None:
        self.submit(number, kinds, terms, death, loss, swept=False)

    @rule(number=numbers, how=st.sampled_from(["same", "key", "other body"]), death=deaths(SUBMIT_POINTS))
    def again(self, number: int, how: str, death: str) -> None:
        sent: Sent = self.life.sent[-1 - number % len(self.life.sent)]
        act: Act = partial(self.life.again, sent)
        if how != "same" and sent.item.idempotency_key:
            act = partial(self.life.again_by_key, sent, other_body=how == "other body")
        self.do(act, death=death)

    @rule(number=numbers, every=seldom, death=deaths(CHANGE_POINTS))
    def cancel(self, number: int, every: bool, death: str) -> None:
        user, order_id = self.some(number)
        act: Act = partial(self.life.cancel_all, user) if every else partial(self.life.cancel, user, order_id)
        self.do(act, death=death)

    @rule(
        number=numbers,
        quantity=st.sampled_from(["", "1", "2", "7", "12", "40", "150"]),
        percent=st.sampled_from([0, 0, 1, 3, 8]),
        meanwhile=st.sampled_from(["", "", "fill", "cancel", "book", "venue", "sweep"]),
        death=deaths(REPLACE_POINTS),
        loss=losses,
    )
    def replace(
        self, number: int, quantity: str, percent: int, meanwhile: str, death: str, loss: Loss
    ) -> None:
        user, order_id = self.some(number)
        self.life.platform.wire.meanwhile = self._meanwhile(meanwhile, user, order_id)
        act = partial(self._replace, user, order_id, quantity, percent)
        self.do(act, death=death, loss=loss)
        self.life.platform.wire.meanwhile = None

    async def _replace(self, user: User, order_id: UUID, quantity: str, percent: int) -> None:
        found = await self.life.platform.orders.read([order_id])
        order = found.get(order_id)
        while order is not None and order.replaced_by is not None:
            order = (await self.life.platform.orders.read([order.replaced_by]))[order.replaced_by]
        if order is None:
            return
        fields = {"quantity": quantity}
        buys = order.side == "BUY"
        if percent and order.limit_price is not None:
            fields["limit_price"] = self.life.price(order.symbol, -percent if buys else percent, ask=buys)
        await self.life.replace(user, order.order_id, **fields)

    @precondition(lambda self: isinstance(self.life.platform.venue, TellingVenue))
    @rule(
        number=numbers,
        shown=st.sampled_from(["2", "5", "0", "50"]),
        quantity=st.sampled_from(["1", "2", "3", "12", "21", "70"]),
        percent=st.sampled_from([-2, 0, 1]),
        again=seldom,
        death=deaths(REPLACE_POINTS),
    )
    def replace_at_venue(
        self, number: int, shown: str, quantity: str, percent: int, again: bool, death: str
    ) -> None:
        """An order that the venue has and has said nothing of; with `again` one that it has for longer."""
        life, user = self.life, self.user(number)

        async def acting() -> None:
            if not again:
                await life.send_to_venue(user, "10", shown)
            await life.replace_at_venue(number, quantity=quantity, percent=percent)

        self.do(acting, death=death)

    def _meanwhile(self, what: str, user: User, order_id: UUID) -> Act | None:
        life = self.life

        async def fill() -> None:
            await life.watch.read()
            await life.deliver("orders", None, 8, acked=True)

        acts: Mapping[str, Act] = {
            "fill": fill,
            "cancel": partial(life.cancel, user, order_id),
            "book": partial(life.deliver, "positions", None, 8, acked=True),
            "venue": partial(life.hear_venue, random.Random(1), 8, keep=True),
            "sweep": life.platform.sweep,
        }
        return acts.get(what)

    @rule(number=numbers, symbol=symbols, percent=st.sampled_from(["100", "50"]), loss=losses)
    def close_position(self, number: int, symbol: str, percent: str, loss: Loss) -> None:
        self.do(partial(self.life.close, self.user(number), symbol, percent), loss=loss)

    # What the market does.

    @rule(
        symbol=symbols,
        move=st.sampled_from([1, -1, 3, -3, 5, -5, 0, 30, -30]),
        spread=st.sampled_from([1, 10, 100]),
        size=st.sampled_from(["2", "2", "50", "5000"]),
        extreme=st.sampled_from(["", "", "low_ask", "high_bid"]),
        seen=st.booleans(),
        worked=st.booleans(),
    )
    def quote(
        self, symbol: str, move: int, spread: int, size: str, extreme: str, seen: bool, worked: bool
    ) -> None:
        """Perhaps the trigger sees it, perhaps the worker fills from it at once."""
        life = self.life
        fields = {extreme: life.price(symbol, -4 if extreme == "low_ask" else 4)} if extreme else {}
        bid = Decimal(life.price(symbol, move, ask=False))

        async def quoted() -> None:
            await life.watch.read()
            await life.quote(symbol, bid, spread, size, **fields)
            if seen:
                await life.watch.quote(symbol)
            if worked:
                await life.deliver("orders", None, 100, acked=True)

        self.do(quoted)

    @rule(again=seldom)
    def watch(self, again: bool) -> None:
        self.do(self.life.watch.again if again else self.life.watch.read)

    # What the machinery does.

    @rule()
    def flow(self) -> None:
        """Nothing bad happens for a while."""

        async def flowing() -> None:
            life = self.life
            for line in ("orders", "positions"):
                await life.platform.relay()
                await life.deliver(line, None, 100, acked=True)
            await life.watch.read()

        self.do(flowing)

    @rule(chance=chances, count=counts, acked=st.booleans(), death=deaths(WORK_POINTS), cancelled=seldom)
    def work(self, chance: random.Random, count: int, acked: bool, death: str, cancelled: bool) -> None:
        venue = self.life.platform.venue
        self.do(self.life.platform.relay)
        if cancelled and isinstance(venue, InterruptedVenue):
            venue.meanwhile = partial(self.life.cancel_all, self.life.users[0])
        self.do(
            partial(self.life.deliver, "orders", None if self.ordered else chance, count, acked=acked),
            death=death,
        )
        if isinstance(venue, InterruptedVenue):
            venue.meanwhile = None

    @rule(chance=chances, count=counts, acked=st.booleans(), death=deaths(BOOK_POINTS))
    def book(self, chance: random.Random, count: int, acked: bool, death: str) -> None:
        chosen = None if self.ordered else chance
        self.do(self.life.platform.relay)
        self.do(partial(self.life.deliver, "positions", chosen, count, acked=acked), death=death)

    @precondition(lambda self: isinstance(self.life.platform.venue, TellingVenue))
    @rule(chance=chances, count=counts, keep=seldom, death=deaths(RECORD_POINTS))
    def hear_venue(self, chance: random.Random, count: int, keep: bool, death: str) -> None:
        self.do(partial(self.life.hear_venue, chance, count, keep=keep), death=death)

    @rule(
        what=st.sampled_from(["sweep", "sweep", "settle", "hours", "restart", "reconcile", "relay"]),
        death=deaths(CHANGE_POINTS),
    )
    def incident(self, what: str, death: str) -> None:
        life = self.life
        acts: Mapping[str, Act] = {
            "sweep": life.platform.sweep,
            "settle": life.settle,
            "hours": life.pass_hours,
            "restart": life.restart,
            "reconcile": life.platform.venue_desk.reconcile_once,
            "relay": partial(life.platform.relay, dies=True),
        }
        self.do(acts[what], death=death)


@st.composite
def orders(draw: st.DrawFn, life: Life, kinds: Kinds, number: int) -> dict[str, Any]:
    """The terms of an order that makes sense most of the time."""
    kind = draw(st.sampled_from(kinds))
    side, symbol = draw(st.sampled_from([BUY, BUY, SELL])), draw(symbols)
    fields: dict[str, Any] = {"type": kind, "side": side, "symbol": symbol, "quantity": draw(sizes)}
    waits = kinds is RESTING or kind in {STOP, STOP_LIMIT, TRAILING}
    fields["time_in_force"] = draw(st.sampled_from((DAY, GTC) if waits else TIMES))
    buys = side == BUY
    percent = draw(percents) if buys else -draw(percents)
    if kind == MARKET and draw(seldom):
        fields |= {"quantity": "", "notional": draw(st.sampled_from(["50", "333.33", "2500"]))}
    if kind == LIMIT:
        passive = kinds is RESTING or draw(st.booleans())
        fields["limit_price"] = life.price(symbol, -percent if passive else percent, ask=buys)
    if kind in {STOP, STOP_LIMIT}:
        fields["stop_price"] = life.price(symbol, percent, ask=buys)
    if kind == STOP_LIMIT:
        fields["limit_price"] = life.price(symbol, percent + draw(st.sampled_from([-1, 0, 1])), ask=buys)
    if kind == TRAILING:
        fields |= draw(st.sampled_from([{"trail_amount": "1.5"}, {"trail_percent": "2"}]))
    if draw(st.booleans()):
        fields["idempotency_key"] = f"k{len(life.sent)}-{number}"
    return fields


async def clean(room: Room) -> None:
    """What an example left behind that was stopped half-way: open orders and events that wait."""
    everything = "UPDATE orders SET status = 'CANCELLED', route = NULL, version = version + 1"
    await room.order_pool.execute(
        f"{everything} WHERE status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED')"
    )
    await room.position_pool.execute("UPDATE holds SET confirmed = true WHERE NOT confirmed")
    for pool in (room.order_pool, room.position_pool):
        await pool.execute("DELETE FROM outbox")
