"""What the service does, one function per verb. Each writing one is one transaction."""

from hub_position.usecases.accounts import get_balance, open_accounts
from hub_position.usecases.booking import Ended, Executed, book
from hub_position.usecases.holds import place_holds, place_holds_of_calls, settle_holds

__all__ = [
    "Ended",
    "Executed",
    "book",
    "get_balance",
    "open_accounts",
    "place_holds",
    "place_holds_of_calls",
    "settle_holds",
]
