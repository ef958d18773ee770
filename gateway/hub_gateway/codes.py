"""Every `code` a problem document can have, in words; and which of them a kind of operation can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

Problems = Mapping[int, Sequence[str]]
"""Status -> the codes that come with it."""

MEANINGS: Final[Mapping[str, str]] = {
    # The request as such
    "malformed_request": "The request is not HTTP.",
    "malformed_query": "The query string cannot be read.",
    "malformed_json": "The body is not JSON.",
    "unknown_parameter": "A query parameter is not known here.",
    "repeated_parameter": "A query parameter is there more than once.",
    "repeated_header": "A header is there more than once.",
    "repeated_field": "A member of the body is there more than once: nobody can know which was meant.",
    "missing_field": "A member of the body is missing.",
    "unknown_field": "A member of the body is not known here.",
    "wrong_type": "A member of the body has another type.",
    "invalid_value": "A value is not one of those that are possible.",
    "invalid_length": "A text or a list is too short or too long.",
    "invalid_characters": "A text has control characters.",
    "incomplete_body": "The body did not arrive whole.",
    "body_timeout": "The body did not arrive in time.",
    "body_too_large": "The body is larger than 64 KiB.",
    "headers_too_large": "The headers are larger than 64 KiB.",
    "unsupported_media_type": "The body is not plain JSON in UTF-8, or Content-Type does not say so.",
    "unknown_path": "There is nothing at this path.",
    "method_not_allowed": "The path does not have this method; Allow names those it has.",
    "upgrade_required": "This path is a WebSocket.",
    # Who asks
    "token_missing": "An access token is needed.",
    "token_malformed": "The Authorization header or the token is not of the form it must have.",
    "token_invalid": "The access token is not ours.",
    "token_expired": "The access token has expired: refresh it.",
    "token_revoked": "The session has ended: log in again.",
    "role_required": "The caller does not have the role that this needs.",
    "rate_limited": "Too many requests; Retry-After says when to come back.",
    "too_many_sockets": "The account, or the process, has as many sockets as it may have.",
    "invalid_credentials": "E-mail address or password is wrong.",
    "invalid_refresh_token": "The refresh token was used, has expired or never was: log in again.",
    "invalid_email": "This is not an e-mail address.",
    "invalid_name": "The name is empty or too long.",
    "weak_password": "The password is too short, too long, too simple or too well known.",
    "email_taken": "There is an account with this e-mail address.",
    "user_not_found": "There is no such user.",
    "last_admin": "The last administrator cannot be removed.",
    # Numbers, texts and places
    "invalid_decimal": "This is not a decimal number.",
    "not_positive": "The number must be greater than zero.",
    "too_precise": "The number has more places than it may have: 8, of cash that is paid in or out 2.",
    "too_large": "The number is too large.",
    "zero": "The number must not be zero.",
    "invalid_symbol": "No instrument can have such a symbol.",
    "unknown_symbol": "There is no such instrument.",
    "invalid_page_token": "The page token is not from this query.",
    "page_too_deep": "The page is beyond what this path shows.",
    "inverted_range": "The end of the range is before its start.",
    # Orders
    "price_required": "An order of this type needs a price.",
    "price_not_allowed": "An order of this type has no price.",
    "stop_required": "An order of this type needs a stop price.",
    "stop_not_allowed": "An order of this type has no stop price; one with a stop is DAY or GTC.",
    "trail_required": "A trailing stop needs a trail: an amount or per cent.",
    "trail_not_allowed": "A trailing stop has one trail, other orders have none; it is DAY or GTC.",
    "trail_too_large": "The trail reaches down to nothing: per cent are below 100.",
    "quantity_required": "The order needs a quantity or, at the market, a notional.",
    "notional_not_allowed": "Only an order at the market may have a notional, instead of a quantity.",
    "extended_hours_not_allowed": "Extended hours are for LIMIT orders, DAY or GTC, where they are offered.",
    "stop_wrong_side": "The market is beyond the stop price already.",
    "market_closed": "The market is closed, and the order is for now or never.",
    "order_rate": "The account has sent too many orders; Retry-After says when to come back.",
    "self_crossing": "The order could trade with an open order of the same account.",
    "position_limit": "The account would have more of the instrument than it may.",
    "too_many_open_orders": "The account has as many open orders as it may have.",
    "value_too_small": "The order is worth less than an order must be.",
    "quantity_below_filled": "The new quantity is not more than what is filled already.",
    "nothing_to_replace": "Nothing would change.",
    "not_replaceable": "An order of this kind cannot be replaced: cancel it, and send another.",
    "order_at_venue": "A venue was asked to end or replace the order, and has not answered yet.",
    "order_changed": "The order has just changed: read it, and decide anew.",
    "nothing_to_close": "Nothing of it can be sold: none is there, or open orders sell all of it.",
    "less_than_one_lot": "The percentage comes to less than one lot of the instrument.",
    "invalid_percentage": "A percentage is above 0 and at most 100, and stands instead of a quantity.",
    "invalid_idempotency_key": "The Idempotency-Key is not 1 to 255 printable ASCII characters.",
    "idempotency_key_reused": "The Idempotency-Key was used for another request.",
    "client_order_id_taken": "There is an order with this client_order_id.",
    "order_id_taken": "The order's id is taken.",
    "order_abandoned": "The order came too late and was given up: send it again.",
    "order_not_found": "There is no such order.",
    "order_final": "The order has ended: it cannot be changed any more.",
    "tick_size": "The price is not a multiple of the instrument's step.",
    "lot_size": "The quantity is not a multiple of the instrument's lot.",
    "quantity_too_small": "The quantity is below the smallest.",
    "quantity_too_large": "The quantity is above the largest.",
    "value_too_large": "The order is worth more than an order may be.",
    "not_tradable": "The instrument cannot be traded.",
    "halted": "Trading in the instrument is halted.",
    "market_data_stale": "There is no current price.",
    "price_out_of_band": "The price is too far from the market.",
    "insufficient_funds": "The order needs more cash than is available.",
    "insufficient_shares": "The order sells more than can be sold.",
    "account_not_found": "There is no such account.",
    "balance_too_large": "An account cannot hold that much.",
    "deposit_too_large": "A single deposit is not that large.",
    "insufficient_withdrawable": "The account has less that can be withdrawn.",
    "account_not_opened": "The account could not be opened: try again.",
    "account_closed": "The account is closed.",
    "account_restricted": "The account may only close positions.",
    "account_reducing": "The account may only reduce positions.",
    "account_halted": "The account may not trade.",
    "hold_refused": "The account may not send this order now.",
    "in_doubt": "It is not known whether the order was accepted. With an Idempotency-Key, repeat the "
    "request; without one, order_id tells within a minute.",
    "not_sent": "The order was not sent: repeat the request.",
    "order_in_flight": "An order with this key is on its way: repeat the request.",
    "order_collided": "The order met another one: repeat the request.",
    # Market data
    "no_quote": "There is no quote yet.",
    "no_symbols": "No instrument is named where one is needed.",
    "too_many_symbols": "At most 100 symbols at once.",
    "missing_parameter": "A query parameter is missing.",
    "range_too_long": "The range is longer than 400 days.",
    "nothing_to_change": "Nothing is said to change.",
    "invalid_reason": "The reason is empty or too long.",
    "unknown_calendar": "There is no such calendar.",
    "market_data_unavailable": "The market is not known yet.",
    "cache_unavailable": "The cache cannot be reached.",
    "invalid_calendar": "A calendar's name has 1 to 12 capital letters, digits and dots.",
    "unknown_timezone": "There is no such time zone.",
    "calendar_in_use": "A calendar that has sessions keeps its time zone.",
    "calendar_changed": "The calendar has just been changed by somebody else: repeat the request.",
    "calendar_always_open": "A calendar that is always open has no hours.",
    "invalid_date": "This is not a day.",
    "invalid_time": "This is not a time of day.",
    "invalid_weekday": "A weekday is 1 (Monday) to 7.",
    "invalid_hours": "The hours cannot be on that day.",
    "closes_before_open": "The hours close before they open.",
    "overlapping_hours": "Sessions overlap.",
    "too_many_hours": "A day has not that many sessions.",
    "market_time_not_later": "The market's clock only goes forward.",
    "market_time_too_far": "That is more than a year ahead.",
    "not_in_production": "This is not done in production.",
    "ex_date_not_ahead": "The ex-date is not later than the running trading day.",
    "ex_date_too_far": "That is more than a year ahead.",
    "not_a_trading_day": "The market is closed on that day.",
    "ratio_required": "A split has a ratio.",
    "ratio_not_allowed": "A dividend has no ratio.",
    "invalid_ratio": "A ratio is from 0.001 to 1000, and not 1.",
    "amount_required": "A dividend has an amount.",
    "amount_not_allowed": "A split has no amount.",
    "invalid_amount": "A dividend is less than the price of a share.",
    "corporate_action_exists": "The instrument has another action of that type and day.",
    "corporate_action_halt": "A split is being applied; trading goes on by itself when that is done.",
    # Watchlists
    "watchlist_not_found": "There is no such watchlist.",
    "watchlist_name_taken": "There is a watchlist of this name already.",
    "watchlist_changed": "The watchlist has another version: read it, and decide anew.",
    "watchlist_full": "A watchlist has at most 20 symbols.",
    "too_many_watchlists": "A user has at most 50 watchlists.",
    "symbol_not_watched": "The watchlist does not have this symbol.",
    # Statements, and parts of positions
    "invalid_month": "A month is a year and a month such as 2026-11.",
    "statement_not_found": "The account was opened after that month.",
    "month_not_begun": "That month has not begun.",
    "position_not_found": "The account has no such position.",
    "quantity_or_percentage": "A part is made by quantity or by percentage: one of both.",
    "exceeds_position": "The position has less that is in no part yet.",
    "view_not_found": "There is no such part.",
    "view_name_taken": "There is a part of this name already, or it is `rest`.",
    "too_many_views": "A position has at most 20 parts.",
    # Parts of the platform
    "stopping": "The process stops: try again, another one answers.",
    "trust_not_loaded": "The keys that tokens are checked with are not known yet.",
    "limits_unavailable": "It cannot be known how often the caller has asked.",
    "peer_unavailable": "A part of the platform is not available now.",
    "database_unavailable": "A database is not available now.",
    "queue_full": "Too many requests wait already.",
    "auth_busy": "Too many passwords are being checked.",
    "deadline_exceeded": "The answer took too long.",
    "internal": "Something went wrong; the detail has an id that is in the log.",
}

EVERY: Final[Problems] = {
    400: ("malformed_request", "malformed_query", "unknown_parameter", "repeated_parameter"),
    431: ("headers_too_large",),
    500: ("internal",),
    504: ("deadline_exceeded",),
}
# Where a part of the path is a parameter: with a slash in it, it is another path.
PLACES: Final[Problems] = {404: ("unknown_path",)}
BODY: Final[Problems] = {
    400: (
        "malformed_json",
        "missing_field",
        "unknown_field",
        "repeated_field",
        "wrong_type",
        "invalid_value",
        "repeated_header",
        "incomplete_body",
    ),
    408: ("body_timeout",),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
}
PEER: Final[Problems] = {503: ("peer_unavailable", "database_unavailable", "stopping")}
USER: Final[Problems] = {
    400: ("repeated_header",),
    401: ("token_missing", "token_malformed", "token_invalid", "token_expired", "token_revoked"),
    429: ("rate_limited",),
    503: ("trust_not_loaded",),
}
VISITOR: Final[Problems] = {429: ("rate_limited",), 503: ("limits_unavailable",)}
ADMIN: Final[Problems] = {403: ("role_required",)}
PAGES: Final[Problems] = {
    400: ("invalid_value", "invalid_length", "invalid_characters", "invalid_page_token")
}
NUMBERS: Final[Problems] = {400: ("invalid_decimal", "not_positive", "too_precise", "too_large")}

# What an order can be refused for.
NAMES: Final[Problems] = {400: ("invalid_length", "invalid_characters", "invalid_idempotency_key")}
AMOUNTS: Final[Problems] = {400: ("quantity_required", "notional_not_allowed", "extended_hours_not_allowed")}
PRICES: Final[Problems] = {
    400: (
        "price_required",
        "price_not_allowed",
        "stop_required",
        "stop_not_allowed",
        "trail_required",
        "trail_not_allowed",
        "trail_too_large",
    )
}
TERMS: Final[Problems] = {
    400: ("tick_size", "lot_size", "quantity_too_small", "quantity_too_large", "trail_too_large"),
    422: (
        "not_tradable",
        "halted",
        "market_closed",
        "market_data_stale",
        "price_out_of_band",
        "stop_wrong_side",
        "value_too_small",
        "value_too_large",
        "self_crossing",
        "too_many_open_orders",
    ),
    429: ("order_rate",),
    503: ("market_data_unavailable",),
}
# Of an order in a body. A symbol in a path that is none is not found.
UNKNOWN: Final[Problems] = {422: ("unknown_symbol",)}
HOLDS: Final[Problems] = {
    422: (
        "insufficient_funds",
        "insufficient_shares",
        "position_limit",
        "account_closed",
        "account_restricted",
        "account_reducing",
        "account_halted",
        "hold_refused",
    ),
    503: ("account_not_opened",),
}
ACCEPTING: Final[Problems] = {
    409: ("idempotency_key_reused", "client_order_id_taken", "order_id_taken", "order_abandoned"),
    429: ("queue_full",),
    503: ("in_doubt", "not_sent", "order_in_flight", "order_collided"),
}
REPLACING: Final[Problems] = {
    400: ("nothing_to_replace",),
    404: ("order_not_found",),
    409: ("order_at_venue", "order_changed", "order_in_flight"),
    422: ("order_final", "not_replaceable", "nothing_to_replace", "quantity_below_filled"),
}
CLOSING: Final[Problems] = {
    400: ("invalid_percentage",),
    404: ("unknown_symbol",),
    422: ("nothing_to_close", "less_than_one_lot"),
}


def together(*parts: Problems) -> Problems:
    """All of them, each code once."""
    found: dict[int, list[str]] = {}
    for part in parts:
        for status, codes in part.items():
            known = found.setdefault(status, [])
            known.extend(code for code in codes if code not in known)
    return dict(sorted(found.items()))
