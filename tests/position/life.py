"""The life of some accounts' books: hypothesis draws what is asked, what venues did, and how it arrives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hub_errors import Refused
from hub_position.domain.actions import CorporateAction, Folded, fold_with
from hub_position.domain.cash import MovementKind
from hub_position.domain.placing import HoldAnswer, HoldRequest
from hub_position.domain.trade import Side, Trade
from hub_position.store import Cuts
from hub_position.usecases import Ended, Executed, Replaced, reprice_holds
from hub_runtime import CrashPointError, utc_now
from hub_runtime.crash_points import armed
from tests.position.acting import (
    apply_to_all,
    differences,
    differences_since,
    dividend,
    effects_of,
    new_symbol,
    split,
)
from tests.position.world import DEPOSIT, SETTLES_ON, Owner, World, ending, execution, hold_of, replacing

Act = Callable[[], Awaitable[Any]]
Fact = Executed | Ended | Replaced
ZERO, RATE = Decimal(0), Decimal("0.0025")
DAYS = 3
NOTHING_DONE = {"cash": ZERO, "fraction": ZERO, "lieu": ZERO}

numbers = st.integers(0, 30)
seldom = st.sampled_from([False] * 4 + [True])
rarely = st.sampled_from([False] * 19 + [True])
chances = st.integers(0, 2**16).map(random.Random)
symbols = st.sampled_from(["AAPL", "AAPL", "MSFT"])
quantities = st.sampled_from(["1", "3", "7.5", "0.00000001", "40", "0.33333333"])
prices = st.sampled_from(["100", "33.33", "250.01", "0.0123"])
shares_of_price = st.sampled_from(["1", "0.97", "0.5"])
parts = st.sampled_from(["1", "1", "0.5", "0.25"])
cash = st.sampled_from(["0.01", "12.34", "999.99", "15000"])
ratios = st.sampled_from(["4", "2", "0.33333333", "0.1", "1.5"])
lieu_prices = st.sampled_from(["", "", "33.33", "0.00000001"])
amounts = st.sampled_from(["0.25", "0.01", "1.33333333"])


def deaths(what: str) -> st.SearchStrategy[str]:
    points = [f"position.{what}.before_commit", f"position.{what}.after_commit"]
    return st.sampled_from([""] * 10 + points)


@st.composite
def requests(draw: st.DrawFn) -> HoldRequest:
    """For nobody yet."""
    side = draw(st.sampled_from([Side.BUY, Side.BUY, Side.SELL]))
    price = draw(prices)
    request = hold_of(
        Owner(), side, draw(quantities), price if side is Side.BUY else "0", symbol=draw(symbols)
    )
    kind = draw(st.sampled_from(["", "", "fee", "other"]))
    if kind == "fee":
        return replace(request, fee_rate=RATE)
    if kind == "other" and side is Side.BUY:
        return replace(request, by_value=True, quantity=Decimal(price) * 3, unit_price=Decimal(1))
    if kind == "other":
        return replace(request, quantity=ZERO, percentage=draw(st.sampled_from([Decimal(100), Decimal(33)])))
    return request


@dataclass
class Order:
    """What the order service knows: facts about it may still be on their way."""

    hold: HoldRequest
    filled: Decimal = ZERO
    count: int = 0
    ended: bool = False

    @property
    def rest(self) -> Decimal:
        return self.hold.quantity - self.filled


@dataclass
class Life:
    world: World
    owners: list[Owner]
    orders: list[Order] = field(default_factory=list)
    on_the_way: list[Fact] = field(default_factory=list)
    flagged: set[UUID] = field(default_factory=set)
    """Accounts that were overfilled or adjusted: they may owe."""
    cash: dict[UUID, Decimal] = field(default_factory=dict)
    """What each account has once all has arrived."""
    trades: dict[UUID, Trade] = field(default_factory=dict)
    moved: set[UUID] = field(default_factory=set)
    symbols: dict[str, str] = field(default_factory=lambda: {name: new_symbol() for name in ("AAPL", "MSFT")})
    """What is traded here, and nowhere else."""
    actions: list[CorporateAction] = field(default_factory=list)
    minute: int = 0

    async def dying(self, death: str, act: Act) -> Any:
        """Once more after a crash, as whoever asked does."""
        if death:
            with armed(f"{death}=error"), suppress(CrashPointError):
                return await act()
        return await act()

    async def place(self, hold: HoldRequest) -> HoldAnswer:
        [answer] = await self.world.hold(hold)
        if answer.granted:
            assert answer.quantity is not None
            self.orders.append(Order(replace(hold, quantity=answer.quantity, percentage=None)))
        return answer

    async def act(self, action: CorporateAction) -> None:
        """A split waits for holds; this one does not."""
        if (await apply_to_all(self.world, action)).open_holds:
            return
        if action not in self.actions:
            self.actions.append(action)
        # What comes late may take back what was paid, or sell shares that became fewer.
        self.flagged |= {owner.account_id for owner in self.owners}

    def folded(self, owner: Owner, symbol: str, trades: Iterable[Trade]) -> Folded:
        actions = [action for action in self.actions if action.symbol == symbol]
        own = [t for t in trades if (t.account_id, t.symbol) == (owner.account_id, symbol)]
        return fold_with(own, actions)

    def execute(self, order: Order, quantity: Decimal, price: Decimal, day: int) -> None:
        """A venue filled a part of it, at its price or better."""
        self.minute += 1
        filled = execution(order.hold, str(price), quantity=str(quantity), minute=self.minute + day * 24 * 60)
        trade = replace(filled.trade, settles_on=SETTLES_ON + timedelta(days=day))
        trade = trade.charged(order.hold.fee_rate or ZERO)
        self.trades[trade.trade_id] = trade
        self.cash[trade.account_id] += trade.net_cash
        order.filled, order.count = order.filled + quantity, order.count + 1
        self.on_the_way.append(Executed(replace(trade, fee=ZERO), filled.user_id))
        if order.filled > order.hold.quantity:
            self.flagged.add(order.hold.account_id)

    def end(self, order: Order) -> None:
        order.ended = True
        self.on_the_way.append(ending(order.hold, quantity=str(order.filled), count=order.count))

    async def deliver(self, chosen: list[Fact], *, keep: bool) -> None:
        await self.world.book(
            [fact for fact in chosen if isinstance(fact, Executed)],
            [fact for fact in chosen if isinstance(fact, Ended)],
            [fact for fact in chosen if isinstance(fact, Replaced)],
        )
        if not keep:
            self.on_the_way = [fact for fact in self.on_the_way if fact not in chosen]

    async def check(self) -> None:
        for owner in self.owners:
            await self.world.assert_balanced(owner)
            account = (await self.world.balance(owner)).account
            assert account.held >= 0
            assert account.buying_power >= 0 or account.account_id in self.flagged
            for position in await self.world.reads.positions(owner.account_id):
                assert position.held >= 0
                assert position.holding.quantity >= 0 or account.account_id in self.flagged
        await self.check_folds()

    async def cut(self, owner: Owner) -> None:
        """What the ledger comes to, added up from the last cut on, is what there is; and it is kept."""
        found = await Cuts(self.world.pool).cut(owner.account_id, 0, utc_now())
        assert found is not None
        account = (await self.world.balance(owner)).account
        assert (found.sums.settled, found.sums.unsettled) == (account.settled, account.unsettled)
        held = {
            each.symbol: (each.holding.quantity, each.holding.total_cost)
            for each in await self.world.reads.positions(owner.account_id)
            if each.holding.quantity
        }
        assert found.sums.owned == held
        assert all(split.included for each in found.positions for split in each.splits)

    async def check_folds(self) -> None:
        """Positions are what their booked trades and the actions come to, in the market's order."""
        query = "SELECT trade_id FROM trades WHERE account_id = $1 AND symbol = $2"
        for owner in self.owners:
            for position in await self.world.reads.positions(owner.account_id):
                async with self.world.pool.acquire() as connection:
                    rows = await connection.fetch(query, owner.account_id, position.symbol)
                trades = [self.trades[row["trade_id"]] for row in rows]
                folded = self.folded(owner, position.symbol, trades)
                assert position.holding == folded.holding
                written = await effects_of(self.world, owner) if folded.effects else {}
                for action_id, effect in folded.effects.items():
                    row = written.get(action_id, NOTHING_DONE)
                    assert (row["cash"], row["fraction"], row["lieu"]) == (
                        effect.cash,
                        effect.fraction,
                        effect.lieu,
                    )

    async def end_all(self, chance: random.Random) -> None:
        """Every order ends, all that is on its way arrives, every trade settles: nothing is held any more."""
        for order in self.orders:
            if not order.ended:
                self.end(order)
        chance.shuffle(self.on_the_way)
        await self.deliver(list(self.on_the_way), keep=True)
        await self.deliver(list(self.on_the_way), keep=False)
        await self.world.settle_trades(SETTLES_ON + timedelta(days=DAYS))
        await self.check()
        for owner in self.owners:
            await self.cut(owner)
        assert await differences_since(self.world, *self.owners) == []
        assert await differences(self.world, *self.owners) == []
        for owner in self.owners:
            account = (await self.world.balance(owner)).account
            assert not account.held
            assert not account.unsettled
            earned = [self.folded(owner, symbol, self.trades.values()) for symbol in self.symbols.values()]
            paid = sum((folded.dividends + folded.lieu for folded in earned), ZERO)
            assert account.cash == self.cash[owner.account_id] + paid
            held = [position.held for position in await self.world.reads.positions(owner.account_id)]
            assert not any(held)


class Books(RuleBasedStateMachine):
    world: World
    runner: asyncio.Runner
    life: Life

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def do(self, act: Act, death: str = "") -> None:
        async def acting() -> None:
            await self.life.dying(death, act)
            await self.life.check()

        self.run(acting())

    @initialize(bought=st.lists(requests(), min_size=2, max_size=4), terms=st.data())
    def begin(self, bought: list[HoldRequest], terms: st.DataObject) -> None:
        async def owners() -> list[Owner]:
            return [await self.world.owner() for _ in range(2)]

        self.life = Life(self.world, self.run(owners()))
        self.life.cash = {owner.account_id: DEPOSIT for owner in self.life.owners}
        self.trade(0, bought, terms)
        self.flow()

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.run(self.life.end_all(random.Random(len(self.life.on_the_way))))

    def owner(self, number: int) -> Owner:
        return self.life.owners[number % 2]

    def order(self, number: int, *, open_: bool) -> Order | None:
        found = [order for order in self.life.orders if not (open_ and order.ended)]
        return found[-1 - number % len(found)] if found else None

    @rule(number=numbers, wanted=st.lists(requests(), min_size=1, max_size=3), terms=st.data())
    def trade(self, number: int, wanted: list[HoldRequest], terms: st.DataObject) -> None:
        """Orders that are filled in parts, and some that end."""
        for request in wanted:
            self.hold(number + terms.draw(seldom), request, "")
            for _ in range(terms.draw(st.integers(0, 3))):
                part, better = terms.draw(parts), terms.draw(shares_of_price)
                self.execute(0, part, better, over=False, day=terms.draw(st.integers(0, DAYS)))
            if terms.draw(st.booleans()):
                self.end(0)

    @rule()
    def flow(self) -> None:
        """Nothing bad happens for a while: all arrives as it was sent."""
        self.do(lambda: self.life.deliver(list(self.life.on_the_way), keep=False))

    @rule(number=numbers, request=requests(), death=deaths("holds"))
    def hold(self, number: int, request: HoldRequest, death: str) -> None:
        owner = self.owner(number)
        symbol = self.life.symbols[request.symbol]
        made = replace(request, account_id=owner.account_id, user_id=owner.user_id, symbol=symbol)
        self.do(partial(self.life.place, made), death)

    @rule(
        number=numbers,
        part=parts,
        better=shares_of_price,
        over=rarely,
        day=st.integers(0, DAYS),
    )
    def execute(self, number: int, part: str, better: str, over: bool, day: int) -> None:
        order = self.order(number, open_=True)
        if order is None:
            return
        hold = order.hold
        if hold.by_value:
            price = Decimal("7.77")
            quantity = (order.rest * Decimal(part) / price).quantize(Decimal("0.0001"), "ROUND_FLOOR")
            if quantity > 0:
                self.life.execute(order, quantity, price, day)
                # The order counts what it cost.
                order.filled += (quantity * price) - quantity
            return
        quantity = (order.rest * Decimal(part)).quantize(Decimal("0.00000001"), "ROUND_FLOOR")
        if over:
            quantity = order.rest + 1
        price = hold.unit_price * Decimal(better) if hold.side is Side.BUY else Decimal("61.01")
        price = max(price.quantize(Decimal("0.00000001"), "ROUND_FLOOR"), Decimal("0.00000001"))
        if quantity > 0:
            self.life.execute(order, quantity, price, day)

    @rule(number=numbers)
    def cut(self, number: int) -> None:
        self.run(self.life.cut(self.owner(number)))

    @rule(number=numbers)
    def look(self, number: int) -> None:
        """The books are held against what they came to at the look before."""

        async def looking() -> None:
            assert await differences_since(self.world, self.owner(number)) == []

        self.run(looking())

    @rule(number=numbers)
    def end(self, number: int) -> None:
        order = self.order(number, open_=True)
        if order is not None:
            self.life.end(order)

    @rule(
        number=numbers,
        quantity=quantities,
        price=prices,
        death=deaths("holds"),
    )
    def replace(self, number: int, quantity: str, price: str, death: str) -> None:
        """Another order in the place of one: what it needs more is held first, then the old one ends."""
        old = self.order(number, open_=True)
        if old is None or old.hold.by_value:
            return
        request = replace(
            hold_of(self.owner(0), old.hold.side, quantity, price, symbol=old.hold.symbol),
            account_id=old.hold.account_id,
            user_id=old.hold.user_id,
            unit_price=Decimal(price) if old.hold.side is Side.BUY else ZERO,
            replaced_hold_id=old.hold.hold_id,
            replaced_filled_quantity=old.filled,
            fee_rate=old.hold.fee_rate,
        )

        async def swap() -> None:
            answer = await self.life.place(request)
            if answer.granted:
                old.ended = True
                self.life.on_the_way.append(
                    replacing(old.hold, request, quantity=str(old.filled), count=old.count)
                )

        async def once() -> None:
            if all(order.hold.hold_id != request.hold_id for order in self.life.orders):
                await swap()

        self.do(once, death)

    @rule(number=numbers, price=prices, death=deaths("reprice"))
    def reprice(self, number: int, price: str, death: str) -> None:
        order = self.order(number, open_=True)
        if order is None or order.hold.side is Side.SELL or order.hold.by_value or order.filled:
            return
        new = Decimal(price)

        async def act() -> None:
            [answer] = await reprice_holds([(order.hold.hold_id, new)], pool=self.world.pool)
            if answer.granted:
                order.hold = replace(order.hold, unit_price=new)

        self.do(act, death)

    @rule(chance=chances, count=st.sampled_from([1, 1, 2, 5, 50]), keep=seldom, death=deaths("book"))
    def deliver(self, chance: random.Random, count: int, keep: bool, death: str) -> None:
        """Some of what is on its way, in any order; it may come once more."""
        facts = self.life.on_the_way
        if not facts:
            return
        chosen = chance.sample(facts, min(count, len(facts)))
        self.do(partial(self.life.deliver, chosen, keep=keep), death)

    @rule(number=numbers, amount=cash, kind=st.sampled_from(MovementKind), death=deaths("cash"), minus=seldom)
    def move(self, number: int, amount: str, kind: MovementKind, death: str, minus: bool) -> None:
        owner = self.owner(number)
        sign = "-" if kind is MovementKind.WITHDRAWAL or (minus and kind is MovementKind.ADJUSTMENT) else ""
        if kind is MovementKind.ADJUSTMENT and minus:
            self.life.flagged.add(owner.account_id)
        movements: dict[UUID, Decimal] = {}
        key = f"{len(self.life.orders)}-{number}-{kind}-{sign}{amount}"

        async def act() -> None:
            with suppress(Refused):
                moved = await self.world.move(owner, kind, sign + amount, key=key)
                movements[moved.movement.movement_id] = moved.movement.amount

        self.do(act, death)
        if movements.keys() - self.life.moved:
            self.life.moved |= movements.keys()
            self.life.cash[owner.account_id] += sum(movements.values())

    @rule(day=st.integers(0, DAYS), death=deaths("settle"))
    def settle(self, day: int, death: str) -> None:
        self.do(partial(self.world.settle_trades, SETTLES_ON + timedelta(days=day)), death)

    @rule(
        name=symbols,
        number=st.tuples(st.just("split"), ratios, lieu_prices)
        | st.tuples(st.just("dividend"), amounts, st.just("")),
        minute=st.integers(-5, 60) | st.integers(-5, DAYS * 24 * 60),
        which=st.sampled_from(["new", "new", "again", "none"]),
        death=deaths("action"),
    )
    def act(self, name: str, number: tuple[str, str, str], minute: int, which: str, death: str) -> None:
        """One that is over, or of a day to come, as far as trades go; perhaps one that was applied before."""
        kind, much, lieu = number
        symbol = self.life.symbols[name]
        if kind == "split":
            action = split(symbol, much, minute=minute, lieu=lieu)
        else:
            action = dividend(symbol, much, minute=minute)
        if which == "again" and self.life.actions:
            action = self.life.actions[minute % len(self.life.actions)]
        if which != "none":
            self.do(partial(self.life.act, action), death)
