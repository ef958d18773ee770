"""How orders and the books fit together."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Id, Time, described


class BooksCounted(Answer, frozen=True):
    """What the pass looked at."""

    accounts: Annotated[int, described("Accounts whose books were added up.", 140)]
    executions: Annotated[int, described("Executions, by their trades.", 60)]
    trades: Annotated[int, described("Trades, by their executions.", 3200)]
    holds: Annotated[int, described("Open holds, by their orders.", 25)]
    orders: Annotated[int, described("Open orders, by their holds.", 25)]
    too_long: Annotated[
        int, described("Accounts whose books were more than there was time for; the log names them.", 0)
    ]


class BooksDifference(Answer, frozen=True):
    """Two things that should say the same, and did not in two passes one after the other."""

    kind: Annotated[
        str, described("What does not fit; the service's pages explain each.", "missing_trade", "cash_held")
    ]
    account_id: Id
    id: Annotated[
        str | None,
        described(
            "An execution (which is also its trade), a hold, a ledger transaction or a symbol.",
            "837078d1-30fe-5183-ad68-e57ca70ab730",
            "AAPL",
        ),
    ]
    order_id: Id | None
    expected: Annotated[str, described("What one side says.", "120")]
    found: Annotated[str, described("What the other side says.", "121")]
    first_seen_at: Time | None


class BooksState(Answer, frozen=True):
    """The newest pass; all null and empty before the first one."""

    finished_at: Time | None
    since: Annotated[Time | None, described("Executions from then on were looked at.")]
    cut: Annotated[Time | None, described("What is younger may be on its way, and was not looked at.")]
    counts: BooksCounted | None
    differences: Annotated[list[BooksDifference], described("At most 1000.")]
    more: Annotated[int, described("How many more were seen than are kept.", 0)]
