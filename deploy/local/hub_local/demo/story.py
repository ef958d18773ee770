"""The story itself, step by step. It knows nothing but the public interface."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

from hub_local.demo.client import Client, DemoError, Document
from hub_local.demo.live import Live, following
from hub_local.demo.proof import prove
from hub_local.demo.screen import Screen, money, number, signed

PAID_IN = Decimal(100000)
BELOW_ASK = Decimal("0.0007")  # near enough that the market comes by within about a minute
EXECUTE_S = 20.0
REST_S = 180.0
PATIENCE_S = 40.0
BOOK_S = 30.0
LIVE_S = 30.0
PROGRESS_S = 5.0
ATTEMPTS = 3
FINAL = {"EXECUTED", "CANCELLED", "EXPIRED", "REPLACED", "FAILED"}


@dataclass
class Story:
    client: Client
    screen: Screen
    stream_url: str
    email: str
    password: str

    async def tell(self) -> None:
        await self.register()
        await self.log_in()
        await self.see_the_clock()
        await self.see_balance()
        async with following(self.stream_url, self.client.authorization, ["AAPL", "MSFT"]) as live:
            await self.watch_prices(live)
            await self.trade("BUY", "10", "AAPL", live)
            bought = await self.buy_below_the_ask(live)
            await self.trade("SELL", "4", "AAPL", live)
        await self.see_positions({"AAPL": Decimal(6), "MSFT": bought})
        await self.see_cash()
        await self.see_summary()
        self.screen.heading("Proof: three routes, none of which derives from the others")
        await prove(self.client, self.screen)

    async def register(self) -> None:
        self.screen.heading("Register")
        body = {"email": self.email, "password": self.password, "name": "Demo User"}
        user = (await self.client.post("/api/v1/auth/register", body, expect=201))["user"]
        self.screen.value("user", user["email"])
        self.screen.value("account", user["account_id"])

    async def log_in(self) -> None:
        self.screen.heading("Log in")
        body = {"email": self.email, "password": self.password}
        session = await self.client.post("/api/v1/auth/login", body, expect=200)
        self.client.use(session["access_token"])
        self.screen.value(
            "access token", f"{session['access_token'][:16]}…  good for {session['expires_in']} s"
        )

    async def see_the_clock(self) -> None:
        self.screen.heading("Is the market open?")
        clock = await self.client.get("/api/v1/clock")
        self.screen.value("market time", f"{clock['market_time']}  {clock['calendar']}")
        if not clock["is_open"]:
            raise DemoError(
                f"the market is closed until {clock['next_open']}; orders are accepted and wait for that. "
                "With HUB_MARKET_HOURS=24x7 it never closes"
            )

    async def see_balance(self) -> None:
        self.screen.heading("What is there to spend?")
        balance = await self.client.get("/api/v1/balance")
        self._show_balance(balance)
        if Decimal(balance["cash"]) != PAID_IN:
            raise DemoError(f"a new account has {balance['cash']} instead of {PAID_IN}")

    async def watch_prices(self, live: Live) -> None:
        self.screen.heading("Follow AAPL and MSFT live")
        self.screen.request("WS  /api/v1/stream", '{"type": "subscribe", "symbols": ["AAPL", "MSFT"]}')
        symbols = ("AAPL", "MSFT")
        await live.until(lambda: all(s in live.snapshots for s in symbols), what="snapshots", within_s=LIVE_S)
        for symbol in symbols:
            self._show_quote("snapshot", symbol, live)
        for count in (1, 2, 3):
            for symbol in symbols:

                def patched(symbol: str = symbol, count: int = count) -> bool:
                    return live.patches.get(symbol, 0) >= count

                await live.until(patched, what=f"live prices of {symbol}", within_s=LIVE_S)
                self._show_quote("patch", symbol, live)

    async def trade(self, side: str, quantity: str, symbol: str, live: Live) -> None:
        verb = "Buy" if side == "BUY" else "Sell"
        self.screen.heading(f"{verb} {quantity} {symbol} at the market")
        order = await self._submit(side=side, symbol=symbol, quantity=quantity, type="MARKET")
        done = await self._executed(order["order_id"], live, within_s=EXECUTE_S)
        if Decimal(done["order"]["filled_quantity"]) != Decimal(quantity):
            raise DemoError(f"{done['order']['filled_quantity']} filled instead of {quantity}")

    async def buy_below_the_ask(self, live: Live) -> Decimal:
        """How many MSFT were bought: 5, and 5 more where an order was filled before it was seen to rest."""
        self.screen.heading("Buy 5 MSFT, but below what the market asks")
        instruments = (await self.client.get("/api/v1/instruments"))["instruments"]
        tick = next(Decimal(i["tick_size"]) for i in instruments if i["symbol"] == "MSFT")
        bought = Decimal(0)
        for attempt in range(ATTEMPTS):
            limit = below((await self.client.get("/api/v1/market-data/MSFT"))["ask"], tick, attempt)
            order = await self._submit(
                side="BUY",
                symbol="MSFT",
                quantity="5",
                type="LIMIT",
                limit_price=str(limit),
                time_in_force="GTC",
            )
            bought += 5
            read = await self.client.until(
                f"/api/v1/orders/{order['order_id']}",
                lambda document: bool(document["order"]["status"] != "PENDING"),
                what="the order leaves the queue",
                within_s=EXECUTE_S,
            )
            status = read["order"]["status"]
            self.screen.value("status", status)
            if status == "PROCESSING":
                await self._rest(order["order_id"], limit, tick, live)
                return bought
            if status != "EXECUTED":
                raise DemoError(f"the order ended {status} ({read['order']['reason']})")
            self.screen.note("The market came down to it at once. Once more, to see one rest.")
        raise DemoError(f"{ATTEMPTS} limit orders in a row were filled before they could rest")

    async def _rest(self, order_id: str, limit: Decimal, tick: Decimal, live: Live) -> None:
        balance = await self.client.get("/api/v1/balance")
        self.screen.value(
            "held", f"{money(balance['held'])} of {money(balance['cash'])} {balance['currency']}"
        )
        self.screen.heading("Wait for the market to come to it")
        now = asyncio.get_running_loop().time
        deadline, patient_until = now() + REST_S, now() + PATIENCE_S
        while live.orders.get(order_id, {}).get("status") not in FINAL:
            left_s = deadline - now()
            if now() > patient_until:
                order_id, limit = await self._nearer(order_id, limit, tick, live)
                patient_until = now() + PATIENCE_S
            ask = live.ask("MSFT")
            if left_s <= 0:
                raise DemoError(f"the market did not fall to {limit} within {REST_S:.0f} s, it asks {ask}")
            away = max(Decimal(0), (ask - limit) / limit * 100)
            self.screen.value("live", f"MSFT ask {money(ask)}   limit {money(limit)}   {away:.2f} % away")
            await self._final_within(order_id, min(left_s, PROGRESS_S), live)
        done = await self._executed(order_id, live, within_s=EXECUTE_S)
        if Decimal(done["order"]["average_price"]) > limit:
            raise DemoError(f"filled at {done['order']['average_price']}, above the limit of {limit}")

    async def _nearer(self, order_id: str, limit: Decimal, tick: Decimal, live: Live) -> tuple[str, Decimal]:
        """A market that rises may not come back: the order follows. One that was filled meanwhile stays."""
        wanted = live.ask("MSFT") - tick
        if wanted <= limit:
            return order_id, limit
        self.screen.note("The market went away. The order goes after it.")
        try:
            after = await self.client.patch(
                f"/api/v1/orders/{order_id}", {"limit_price": str(wanted)}, expect=202
            )
        except DemoError as error:
            self.screen.note(str(error))
            return order_id, limit
        return after["order_id"], wanted

    async def _final_within(self, order_id: str, seconds: float, live: Live) -> None:
        """Waits for the stream's word; asks over HTTP where it says nothing, for it may have been away."""
        try:
            await live.until(
                lambda: live.orders.get(order_id, {}).get("status") in FINAL, what="", within_s=seconds
            )
        except DemoError:
            if live.failure:
                raise
            live.orders[order_id] = (await self.client.get(f"/api/v1/orders/{order_id}", show=False))["order"]

    async def _submit(self, **order: str) -> Document:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        accepted = await self.client.post("/api/v1/orders", order, expect=202, headers=key)
        text = f"{order['side']} {order['quantity']} {order['symbol']} {order['type']}"
        if "limit_price" in order:
            text += f" {money(order['limit_price'])}"
        self.screen.value("order", f"{accepted['order_id']}   {text}   {accepted['status']}")
        return accepted

    async def _executed(self, order_id: str, live: Live, *, within_s: float) -> Document:
        path = f"/api/v1/orders/{order_id}"
        done = await self.client.until(
            path,
            lambda found: found["order"]["status"] in FINAL,
            what="the order executes",
            within_s=within_s,
        )
        order = done["order"]
        if order["status"] != "EXECUTED":
            raise DemoError(f"the order ended {order['status']} ({order['reason']})")
        for fill in done["executions"]:
            quote = fill["quote"]
            price = f"{number(fill['quantity'])} at {money(fill['price'])}"
            self.screen.value(
                "filled", f"{price}   from bid {money(quote['bid'])}  ask {money(quote['ask'])}"
            )
        told = live.orders.get(order_id, {}).get("status")
        self.screen.value("status", order["status"] + (", as the stream said" if told == "EXECUTED" else ""))
        return done

    async def see_positions(self, expected: dict[str, Decimal]) -> None:
        self.screen.heading("What do I own?")

        def booked(document: Document) -> bool:
            found = {p["symbol"]: Decimal(p["quantity"]) for p in document["positions"]}
            return found == expected

        found = await self.client.until(
            "/api/v1/positions", booked, what="positions are booked", within_s=BOOK_S
        )
        head = ["", "quantity", "average", "price", "value", "unrealised", "realised", "status"]
        self.screen.table(head, [_row(position) for position in found["positions"]])

    async def see_cash(self) -> None:
        self.screen.heading("What is left to spend?")
        released = await self.client.until(
            "/api/v1/balance",
            lambda balance: Decimal(balance["held"]) == 0,
            what="no cash is held any more",
            within_s=BOOK_S,
        )
        self._show_balance(released)

    async def see_summary(self) -> None:
        self.screen.heading("And all together?")
        summary = await self.client.get("/api/v1/portfolio/summary")
        for name in ("cash", "market_value", "total"):
            self.screen.value(name.replace("_", " "), f"{money(summary[name]):>12} {summary['currency']}")
        for name in ("unrealised_pnl", "realised_pnl"):
            self.screen.value(name.removesuffix("_pnl") + " P&L", f"{signed(summary[name]):>12}")

    def _show_quote(self, kind: str, symbol: str, live: Live) -> None:
        quote = live.quote(symbol)
        prices = (
            f"bid {money(quote['bid']):>9}   ask {money(quote['ask']):>9}   last {money(quote['last']):>9}"
        )
        self.screen.value(kind, f"{symbol}   {prices}")

    def _show_balance(self, balance: Document) -> None:
        self.screen.value("cash", f"{money(balance['cash']):>12} {balance['currency']}")
        self.screen.value("buying power", f"{money(balance['buying_power']):>12} {balance['currency']}")


def below(ask: str, tick: Decimal, attempt: int) -> Decimal:
    """A price a little below the ask, on the tick; a little lower with every attempt."""
    wanted = Decimal(ask) * (1 - BELOW_ASK * (attempt + 1))
    price = (wanted / tick).to_integral_value(rounding=ROUND_DOWN) * tick
    return min(price, Decimal(ask) - tick)


def _row(position: dict[str, Any]) -> list[str]:
    def or_dash(name: str, show: Any) -> str:
        return str(show(position[name])) if position[name] is not None else "-"

    return [
        position["symbol"],
        number(position["quantity"]),
        or_dash("average_price", money),
        or_dash("price", money),
        or_dash("market_value", money),
        or_dash("unrealised_pnl", signed),
        signed(position["realised_pnl"]),
        position["status"],
    ]
