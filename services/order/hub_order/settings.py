"""What the order service can be told from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hub_order.risk import Limits
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
class OrderSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, AmqpSettings):
    auth_target: str = setting("gRPC target of the auth service")
    market_data_target: str = setting("gRPC target of the market-data service")
    position_target: str = setting("gRPC target of the position service")
    price_protection: Decimal = setting(
        "a purchase at the market never costs more than the ask and this share of it", default=Decimal("0.05")
    )
    price_band: Decimal = setting(
        "how far a limit may lie on the aggressive side of the market", default=Decimal("0.05")
    )
    price_sanity: Decimal = setting(
        "a limit on the passive side is a mistake beyond this multiple of the market", default=Decimal(10)
    )
    most_quantity: Decimal = setting("largest quantity of an order", default=Decimal(1_000_000))
    most_value: Decimal = setting("largest value of an order", default=Decimal(100_000_000))
    quote_max_age_s: float = setting(
        "while the market is open, a quote that is older is not used", default=10.0
    )
    order_max_age: timedelta = setting(
        "a market order fails after so much open market without a price (seconds)",
        default=timedelta(seconds=120),
    )
    idempotency_ttl: timedelta = setting(
        "how long an idempotency key is remembered (seconds)", default=timedelta(hours=24)
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

    @property
    def limits(self) -> Limits:
        return Limits(
            price_band=self.price_band,
            price_sanity=self.price_sanity,
            price_protection=self.price_protection,
            most_quantity=self.most_quantity,
            most_value=self.most_value,
        )
