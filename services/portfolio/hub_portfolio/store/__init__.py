"""All SQL of the service. It decides nothing: rules come in as functions, or as values."""

from hub_portfolio.store.history import Histories
from hub_portfolio.store.statements import Statements
from hub_portfolio.store.watchlists import NameTakenError, Watchlists

__all__ = ["Histories", "NameTakenError", "Statements", "Watchlists"]
