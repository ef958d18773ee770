"""All SQL of the service. `Books`, `Cash`, `Actions` and `Overselling` work inside a transaction, the
others answer questions."""

from hub_position.store.actions import Actions
from hub_position.store.activities import Activities
from hub_position.store.books import Books
from hub_position.store.cash import Cash
from hub_position.store.changes import Changes
from hub_position.store.cuts import Cuts
from hub_position.store.overselling import Overselling
from hub_position.store.reads import Reads
from hub_position.store.reconciling import Reconciling
from hub_position.store.views import Views

__all__ = [
    "Actions",
    "Activities",
    "Books",
    "Cash",
    "Changes",
    "Cuts",
    "Overselling",
    "Reads",
    "Reconciling",
    "Views",
]
