"""Resting orders in memory, and which of them a quote can fill. Pure."""

from hub_order.resting.entry import Awaits, Entry, entry, units
from hub_order.resting.hands import Hand, hand
from hub_order.resting.memory import RestingOrders, Unsaved
from hub_order.resting.stretches import Stretch, Stretches

__all__ = [
    "Awaits",
    "Entry",
    "Hand",
    "RestingOrders",
    "Stretch",
    "Stretches",
    "Unsaved",
    "entry",
    "hand",
    "units",
]
