"""From an order to the history of its account, through every process that takes part."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from tests.system.user import NewUser, until

HISTORY = "/api/v1/portfolio/history"


def valued(history: dict[str, Any]) -> bool:
    """Since it holds something; prices have moved meanwhile."""
    return sum(Decimal(point["market_value"]) > 0 for point in history["points"]) > 1


async def test_who_trades_has_a_history_of_what_came_of_it(new_user: NewUser) -> None:
    user = await new_user()
    [first] = (await user.get(f"{HISTORY}?period=1D"))["points"]
    assert (first["equity"], first["net_flow"], first["profit_loss"]) == ("100000", "100000", "0")
    order = await user.buy("AAPL", "10")
    assert (await user.final(order["order_id"]))["status"] == "EXECUTED"
    history = await until(partial(user.get, f"{HISTORY}?period=1D&benchmark=AAPL"), valued, timeout_s=60)
    for point in history["points"]:
        assert Decimal(point["equity"]) == Decimal(point["cash"]) + Decimal(point["market_value"])
        assert Decimal(point["profit_loss"]) == Decimal(point["equity"]) - 100_000
    whole = await user.get(f"{HISTORY}?period=ALL")
    assert {point["net_flow"] for point in whole["points"]} == {"100000"}
