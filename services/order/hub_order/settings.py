"""What the order service can be told from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hub_order.risk import Limits, Policy
from hub_order.risk.facts import LEAST_VALUE, MOST_OPEN_ORDERS, ORDERS_PER_MINUTE
from hub_order.risk.policy import ByClass
from hub_order.settings_of_limits import amount, by_class, count, multiple, share
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
        "a purchase at the market never costs more than the ask (or its stop) and this share of it",
        default=Decimal("0.05"),
        parse=share,
    )
    price_protection_by_class: ByClass = setting(
        "the same for some asset classes, such as CRYPTO=0.1", default=(), parse=by_class(share)
    )
    price_band: Decimal = setting(
        "how far a limit may lie on the aggressive side of the market", default=Decimal("0.05"), parse=share
    )
    price_band_by_class: ByClass = setting(
        "the same for some asset classes", default=(), parse=by_class(share)
    )
    price_sanity: Decimal = setting(
        "a limit on the passive side, or a stop, is a mistake beyond this multiple of the market",
        default=Decimal(10),
        parse=multiple,
    )
    price_sanity_by_class: ByClass = setting(
        "the same for some asset classes", default=(), parse=by_class(multiple)
    )
    most_quantity: Decimal = setting("largest quantity of an order", default=Decimal(1_000_000), parse=amount)
    most_quantity_by_class: ByClass = setting(
        "the same for some asset classes", default=(), parse=by_class(amount)
    )
    least_value: Decimal = setting("smallest value of an order", default=LEAST_VALUE, parse=amount)
    most_value: Decimal = setting("largest value of an order", default=Decimal(1_000_000), parse=amount)
    most_value_by_class: ByClass = setting(
        "the same for some asset classes, such as CRYPTO=100000,ETF=2000000",
        default=(),
        parse=by_class(amount),
    )
    orders_per_minute: int = setting(
        "most orders of an account within a minute, for each process that serves",
        default=ORDERS_PER_MINUTE,
        parse=count,
    )
    most_open_orders: int = setting(
        "most orders of an account that rest", default=MOST_OPEN_ORDERS, parse=count
    )
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
    def policy(self) -> Policy:
        """Which limits hold for which orders."""
        general = Limits(
            price_band=self.price_band,
            price_sanity=self.price_sanity,
            price_protection=self.price_protection,
            most_quantity=self.most_quantity,
            most_value=self.most_value,
            least_value=self.least_value,
            orders_per_minute=self.orders_per_minute,
            most_open_orders=self.most_open_orders,
        )
        return Policy.of(
            general,
            price_band=self.price_band_by_class,
            price_sanity=self.price_sanity_by_class,
            price_protection=self.price_protection_by_class,
            most_quantity=self.most_quantity_by_class,
            most_value=self.most_value_by_class,
        )

    @property
    def limits(self) -> Limits:
        """Those that hold where nothing else is said."""
        return self.policy.general
