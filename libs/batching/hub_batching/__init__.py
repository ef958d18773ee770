"""Coalescing of concurrent calls into batches, with no timer."""

from hub_batching.batcher import Batcher

__all__ = ["Batcher"]
