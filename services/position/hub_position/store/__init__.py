"""All SQL of the service. `Books` writes inside a transaction, `Reads` answers questions."""

from hub_position.store.books import Books
from hub_position.store.reads import Reads

__all__ = ["Books", "Reads"]
