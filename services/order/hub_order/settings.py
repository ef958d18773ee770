"""What the order service can be told from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hub_events import ORDERS, waits
from hub_order.hours import ExtendedHours
from hub_order.limit_settings import LimitSettings
from hub_order.venue import Faults, FillModel, SimulatedVenue, SlowVenue, Venue
from hub_runtime import (
    AmqpSettings,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    TlsSettings,
    one_of,
    setting,
)


@dataclass(frozen=True)
class OrderSettings(
    ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, AmqpSettings, LimitSettings
):
    auth_target: str = setting("gRPC target of the auth service")
    market_data_target: str = setting("gRPC target of the market-data service")
    position_target: str = setting("gRPC target of the position service")
    quote_max_age_s: float = setting(
        "while the market is open, a quote that is older is not used", default=10.0
    )
    extended_hours: ExtendedHours | None = setting(
        "limit orders may ask to work in these hours of days with sessions, such as 04:00-20:00; empty: not",
        default=None,
        parse=ExtendedHours.parse,
    )
    order_max_age: timedelta = setting(
        "a market order fails after so much open market without a price (seconds)",
        default=timedelta(seconds=120),
    )
    idempotency_ttl: timedelta = setting(
        "how long an idempotency key is remembered (seconds)", default=timedelta(hours=24)
    )
    retry_steps: tuple[str, ...] = setting(
        "how long an event that could not be handled waits before each further try, such as 30s,5m,1h",
        default=ORDERS.waits,
        parse=waits,
    )
    sweep_interval_s: float = setting("pause between two passes of the sweeper", default=5.0)
    hold_max_age: timedelta = setting(
        "a hold that is older and has no order is released (seconds)", default=timedelta(seconds=60)
    )

    venue: str = setting(
        "where orders are filled: simulated, or simulated-slow, which keeps orders and answers late",
        default="simulated",
        parse=one_of("simulated", "simulated-slow"),
    )
    participation: bool = setting("at most the displayed size is filled from one quote", default=False)
    slippage: Decimal = setting(
        "how much worse a simulated price may be, as a share of it", default=Decimal(0)
    )
    venue_seed: int = setting("what simulated slippage and faults are drawn from", default=0)
    venue_delay_s: float = setting("how late simulated-slow answers at most", default=0.2)
    venue_rejected: Decimal = setting("share of orders that simulated-slow rejects", default=Decimal(0))
    venue_doubled: Decimal = setting("share of reports that simulated-slow tells twice", default=Decimal(0))
    venue_overfilled: Decimal = setting("share of orders that simulated-slow overfills", default=Decimal(0))
    reconcile_interval_s: float = setting(
        "pause between two questions after orders that a venue has had for long", default=10.0
    )
    actions_interval_s: float = setting(
        "pause between two looks for splits and dividends whose day has come", default=2.0
    )
    books_interval_s: float = setting(
        "pause between two passes that hold orders against the books", default=60.0
    )

    def venue_of(self) -> Venue:
        """The venue that the settings describe."""
        model = FillModel(participation=self.participation, slippage=self.slippage, seed=self.venue_seed)
        if self.venue == "simulated":
            return SimulatedVenue(model)
        faults = Faults(
            delay_s=self.venue_delay_s,
            rejected=self.venue_rejected,
            doubled=self.venue_doubled,
            overfilled=self.venue_overfilled,
        )
        return SlowVenue(model, faults)
