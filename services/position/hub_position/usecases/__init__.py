"""What the service does, one function per verb. Each writing one is one transaction."""

from hub_position.usecases.accounts import get_account, get_balance, open_accounts, set_account_state
from hub_position.usecases.booking import Ended, Executed, Facts, Replaced, book
from hub_position.usecases.books import get_books
from hub_position.usecases.holds import place_holds, place_holds_of_calls, reprice_holds, settle_holds

__all__ = [
    "Ended",
    "Executed",
    "Facts",
    "Replaced",
    "book",
    "get_account",
    "get_balance",
    "get_books",
    "open_accounts",
    "place_holds",
    "place_holds_of_calls",
    "reprice_holds",
    "set_account_state",
    "settle_holds",
]
