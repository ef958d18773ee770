"""All SQL of the market-data service. Decides nothing."""

from hub_market_data.store.actions import Actions
from hub_market_data.store.admin import Act, Admin
from hub_market_data.store.bars import Bars
from hub_market_data.store.catalogue import CHANNEL, AddedSplit, Catalogue, Loaded
from hub_market_data.store.feeding import Feeding, FeedState
from hub_market_data.store.seeding import Seeding
from hub_market_data.store.statistics import DailyStatistics

__all__ = [
    "CHANNEL",
    "Act",
    "Actions",
    "AddedSplit",
    "Admin",
    "Bars",
    "Catalogue",
    "DailyStatistics",
    "FeedState",
    "Feeding",
    "Loaded",
    "Seeding",
]
