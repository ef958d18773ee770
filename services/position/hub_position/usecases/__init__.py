"""What the service does, one function per verb. Each writing one is one transaction."""

from hub_position.usecases.accounts import get_account, get_balance, open_accounts, set_account_state
from hub_position.usecases.actions import apply_action
from hub_position.usecases.booking import Ended, Executed, Facts, Replaced, book
from hub_position.usecases.books import get_books
from hub_position.usecases.cash import Moved, move_cash
from hub_position.usecases.checking import check_in_turn
from hub_position.usecases.holds import place_holds, place_holds_of_calls, reprice_holds, settle_holds
from hub_position.usecases.overselling import restrict_oversold
from hub_position.usecases.settlement import settle_trades

__all__ = [
    "Ended",
    "Executed",
    "Facts",
    "Moved",
    "Replaced",
    "apply_action",
    "book",
    "check_in_turn",
    "get_account",
    "get_balance",
    "get_books",
    "move_cash",
    "open_accounts",
    "place_holds",
    "place_holds_of_calls",
    "reprice_holds",
    "restrict_oversold",
    "set_account_state",
    "settle_holds",
    "settle_trades",
]
