"""All SQL of the order service. It decides nothing: rules come in as functions."""

from hub_order.store.acceptance import Acceptance, FirstAnswer, Newcomer
from hub_order.store.orders import RESTING_CHANNEL, Decide, Orders
from hub_order.store.replacing import Replacing
from hub_order.store.sweeping import Sweeping

__all__ = [
    "RESTING_CHANNEL",
    "Acceptance",
    "Decide",
    "FirstAnswer",
    "Newcomer",
    "Orders",
    "Replacing",
    "Sweeping",
]
