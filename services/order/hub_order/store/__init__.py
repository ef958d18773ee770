"""All SQL of the order service. It decides nothing: rules come in as functions."""

from hub_order.store.acceptance import Acceptance, FirstAnswer, Newcomer
from hub_order.store.limits import LIMITS_CHANNEL, ChangedLimits, LimitsStore
from hub_order.store.orders import RESTING_CHANNEL, Decide, Orders
<<<<<<< HEAD
from hub_order.store.resting import LEADERSHIP, Resting
from hub_order.store.sweeping import Sweeping

__all__ = [
    "LEADERSHIP",
    "RESTING_CHANNEL",
    "Acceptance",
    "Decide",
    "FirstAnswer",
    "Newcomer",
    "Orders",
    "Resting",
=======
from hub_order.store.own_orders import Opposition, OwnOrders, Question
from hub_order.store.replacing import Replacing
from hub_order.store.settlements import Settlements
from hub_order.store.sweeping import Sweeping

__all__ = [
    "LIMITS_CHANNEL",
    "RESTING_CHANNEL",
    "Acceptance",
    "ChangedLimits",
    "Decide",
    "FirstAnswer",
    "LimitsStore",
    "Newcomer",
    "Opposition",
    "Orders",
    "OwnOrders",
    "Question",
    "Replacing",
    "Settlements",
>>>>>>> 28179f4a93166775b5e6b4e1e7b8392713117a8a
    "Sweeping",
]
