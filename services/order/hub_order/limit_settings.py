"""How far an order may go: settings, and how they are read. A wrong one raises ValueError and says why."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub_money import LIMIT
from hub_order.risk import Limits, Policy
from hub_order.risk.facts import LEAST_VALUE, MOST_OPEN_ORDERS, ORDERS_PER_MINUTE
from hub_runtime import ByClass, Settings, by_class, decimal_number, setting, share


def multiple(text: str) -> Decimal:
    number = decimal_number(text)
    if not 1 <= number <= 1_000_000:
        raise ValueError("must be a multiple: from 1 to 1000000")
    return number


def amount(text: str) -> Decimal:
    number = decimal_number(text)
    if not 0 < number < LIMIT:
        raise ValueError(f"must be above 0 and below {LIMIT:f}")
    return number


def count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise ValueError("must be a whole number above 0")
    return int(text)


@dataclass(frozen=True)
class LimitSettings(Settings):
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
