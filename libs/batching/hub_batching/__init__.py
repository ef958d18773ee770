"""Coalescing of concurrent calls into batches, with no timer."""
