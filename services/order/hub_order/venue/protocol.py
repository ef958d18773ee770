"""What every venue can do. Real ones (FIX, a broker's API) stand behind the same protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub_order.domain import Order, Quote, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """An order on its way to a venue: how it is sent, in which market, and at which version it was read."""

    order: Order
    quote: Quote
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An order that a venue has, and the one that is to come in its place: for the whole quantity of both,
    which its route says, less what the old one is filled in the end."""

    old: Order
    new: Order


class Venue(Protocol):
    """A venue either answers a sending at once and keeps nothing, and its reports are offers (`only_at`), or
    it keeps orders: then it answers when it likes, by `reports`, and what it says are facts.

    Sending the same order from the same quote again is the same sending: it fills nothing twice.
    """

    @property
    def name(self) -> str: ...

    @property
    def keeps_orders(self) -> bool: ...

    async def send(self, sendings: Sequence[Sending]) -> Sequence[Report]:
        """What is known at once. Raises Unavailable where the venue cannot be reached."""
        ...

    async def cancel(self, orders: Sequence[Order]) -> Sequence[Report]:
        """Asks the end of orders that it keeps; more may come by `reports`."""
        ...

    async def replace(self, exchanges: Sequence[Exchange]) -> Sequence[Report]:
        """Asks it to put orders in the place of others that it keeps; more may come by `reports`. The answer
        is `Replaced` (it has the new one), `Ended` (it has ended the old one and has no other), or
        `ReplaceRefused`, as for what is filled whole. The same exchange asked again is answered the same.
        Until it is answered nobody asks for the end of the old one, and the new one is not sent."""
        ...

    async def reconcile(self, orders: Sequence[Order]) -> Sequence[Report]:
        """Everything that it knows of these orders, once more: after a connection or a process was lost."""
        ...

    def reports(self) -> AsyncIterator[Sequence[Report]]:
        """Facts as they come: late, twice or in another order, for ever."""
        ...
