"""What an order must be before money is set aside. Pure: the facts come in, a refusal comes out."""

from hub_order.risk.facts import AccountLimits, Draft, Facts, Limits
from hub_order.risk.holds import hold_refusal, refused_part
from hub_order.risk.instruments import lot_of
from hub_order.risk.policy import Policy
from hub_order.risk.prices import (
    SetAside,
    protection_of,
    protection_price,
    quantity_of,
    set_aside,
    unit_price,
)
from hub_order.risk.table import RULES, Rule, refusal
from hub_order.risk.throttle import Throttle

__all__ = [
    "RULES",
    "AccountLimits",
    "Draft",
    "Facts",
    "Limits",
    "Policy",
    "Rule",
    "SetAside",
    "Throttle",
    "hold_refusal",
    "lot_of",
    "protection_of",
    "protection_price",
    "quantity_of",
    "refusal",
    "refused_part",
    "set_aside",
    "unit_price",
]
