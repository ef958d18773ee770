"""All SQL of the order service. It decides nothing: rules come in as functions."""

from hub_order.store.acceptance import Acceptance, FirstAnswer, Newcomer
from hub_order.store.anchors import Anchors
from hub_order.store.blotter import Blotter
from hub_order.store.limits import LIMITS_CHANNEL, ChangedLimits, LimitsStore
from hub_order.store.open_orders import OpenOrders
from hub_order.store.orders import RESTING_CHANNEL, Decide, Orders
from hub_order.store.own_orders import Opposition, OwnOrders, Question
from hub_order.store.reconciling import Reconciling
from hub_order.store.refusals import RefusalBook
from hub_order.store.replacing import Replacing
from hub_order.store.resting import LEADERSHIP, Resting
from hub_order.store.settlements import Settlements
from hub_order.store.sweeping import Sweeping

__all__ = [
    "LEADERSHIP",
    "LIMITS_CHANNEL",
    "RESTING_CHANNEL",
    "Acceptance",
    "Anchors",
    "Blotter",
    "ChangedLimits",
    "Decide",
    "FirstAnswer",
    "LimitsStore",
    "Newcomer",
    "OpenOrders",
    "Opposition",
    "Orders",
    "OwnOrders",
    "Question",
    "Reconciling",
    "RefusalBook",
    "Replacing",
    "Resting",
    "Settlements",
    "Sweeping",
]
