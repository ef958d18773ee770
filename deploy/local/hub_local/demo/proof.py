"""The books balance, or they do not: cash + cost of positions = paid in + gross realised P&L - fees."""

from __future__ import annotations

from decimal import Decimal

from hub_local.demo.client import Client, DemoError
from hub_local.demo.screen import Screen, money

CENT = Decimal("0.01")


async def prove(client: Client, screen: Screen) -> None:
    """Cash is the account's, cost the positions', the right side is added up from the ledger's postings."""
    balance = await client.get("/api/v1/balance")
    positions = (await client.get("/api/v1/positions?include_closed=true"))["positions"]
    totals = (await client.get("/api/v1/ledger"))["totals"]

    cash = Decimal(balance["cash"])
    cost = sum((Decimal(position["total_cost"]) for position in positions), Decimal(0))
    # In the ledger, money that came in from outside and profit are negative.
    paid_in = -Decimal(totals.get("external", "0"))
    realised = -Decimal(totals.get("realised_pnl", "0"))
    fees = Decimal(totals.get("fees", "0"))

    left, right = cash + cost, paid_in + realised - fees
    screen.table(
        ["", "USD", ""],
        [
            ["cash", money(cash), "/balance   "],
            ["+ cost of positions", money(cost), "/positions "],
            ["=", money(left), ""],
            ["", "", ""],
            ["paid in", money(paid_in), "/ledger    "],
            ["+ gross realised P&L", money(realised), "/ledger    "],
            ["- fees", money(fees), "/ledger    "],
            ["=", money(right), ""],
        ],
    )
    if left.quantize(CENT) != right.quantize(CENT):
        raise DemoError(f"the books do not balance: {left} and {right}")
