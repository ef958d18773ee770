"""Prometheus metrics by name: asking twice for one answers the same, so libraries may share them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

FAST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZE_BUCKETS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@cache
def counter(name: str, documentation: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(name, documentation, labels)


@cache
def gauge(name: str, documentation: str, labels: tuple[str, ...] = ()) -> Gauge:
    return Gauge(name, documentation, labels)


@cache
def histogram(
    name: str, documentation: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = FAST_BUCKETS
) -> Histogram:
    return Histogram(name, documentation, labels, buckets=buckets)


@cache
def counted(metric: Counter, *labels: str) -> Counter:
    """The metric's part with these labels, found faster than by `labels`: for what each order counts."""
    return metric.labels(*labels)


@cache
def observed(metric: Histogram, *labels: str) -> Histogram:
    """The metric's part with these labels, found faster than by `labels`."""
    return metric.labels(*labels)


def exposition(names: Sequence[str] = ()) -> tuple[str, bytes]:
    """The content type and the text that a scrape of /metrics gets."""
    registry = REGISTRY.restricted_registry(names) if names else REGISTRY
    return CONTENT_TYPE_LATEST, generate_latest(registry)
