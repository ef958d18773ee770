"""The messages of /stream: what a client may say, as it is read; and what it is told, as it is documented."""

from __future__ import annotations

from typing import Final

import msgspec

from hub_gateway.codec import Schema


class Authenticate(msgspec.Struct, tag="auth", forbid_unknown_fields=True, frozen=True):
    """The access token, where no Authorization header could be sent; or a newer one of the same account."""

    token: str


class Subscribe(msgspec.Struct, tag="subscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Adds to what is followed. A symbol that is followed already comes as a snapshot again."""

    symbols: list[str] = []
    orders: bool = False


class Unsubscribe(msgspec.Struct, tag="unsubscribe", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Takes from what is followed."""

    symbols: list[str] = []
    orders: bool = False


Message = Authenticate | Subscribe | Unsubscribe
MESSAGE: Final[Schema[Message]] = Schema(Message)
