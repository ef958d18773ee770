"""All SQL of the service. `Books`, `Cash` and `Actions` write inside a transaction, `Reads` and
`Reconciling` answer questions."""

from hub_position.store.actions import Actions
from hub_position.store.books import Books
from hub_position.store.cash import Cash
from hub_position.store.changes import Changes
from hub_position.store.reads import Reads
from hub_position.store.reconciling import Reconciling

__all__ = ["Actions", "Books", "Cash", "Changes", "Reads", "Reconciling"]
