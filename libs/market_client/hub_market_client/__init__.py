"""The quote cache: a live local copy of instruments, sessions and quotes."""

from hub_market_client.cache import QuoteCache
from hub_market_client.model import Calendar, Instrument, Quote, Session

__all__ = ["Calendar", "Instrument", "Quote", "QuoteCache", "Session"]
