"""What keeps the history of orders from being changed unseen: chains of hashes, digests of days. Pure."""

from hub_order.audit.canonical import FIRST, canonical, hash_of
from hub_order.audit.days import Anchor, Tally, anchor_faults
from hub_order.audit.record import Record, faults
from hub_order.audit.refusal import Refusal, RefusalChain, StoredRefusal

__all__ = [
    "FIRST",
    "Anchor",
    "Record",
    "Refusal",
    "RefusalChain",
    "StoredRefusal",
    "Tally",
    "anchor_faults",
    "canonical",
    "faults",
    "hash_of",
]
