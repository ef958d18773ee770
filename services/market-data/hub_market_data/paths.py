"""Turns a daily bar into the prices of one day: the same bar and seed always give the same path. Pure.

The path starts at the open, ends at the close, touches the high and the low and never leaves them. On the way
it swings around a slow course every few seconds, as a living market does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from hub_market_data.domain.bars import Bar

# Ticks between two turns of the price, at least and at most.
_SHORTEST_LEG: Final = 28
_LONGEST_LEG: Final = 84
# How far a swing goes from the slow course: a part of the price, but no more than a part of the day's range.
_SWING_OF_PRICE: Final = 0.005
_SWING_OF_RANGE: Final = 0.45
_SHALLOWEST: Final = 0.7
MINIMUM_STEPS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Step:
    """A price with the market around it."""

    last: Decimal
    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int


def day_path(symbol: str, bar: Bar, *, seed: int, steps: int, tick_size: Decimal) -> Iterator[Step]:
    """The day in `steps` equally long steps, made as they are needed."""
    if steps < MINIMUM_STEPS:
        raise ValueError(f"a day needs at least {MINIMUM_STEPS} steps")
    dice = random.Random(f"{seed}/{symbol}/{bar.day}/{bar.open}/{bar.close}/{steps}")  # noqa: S311 - no secret
    anchors = _anchors(dice, bar, steps)
    course = _interpolated(_knots(dice, anchors, low=float(bar.low), high=float(bar.high)))
    for index, price in enumerate(course):
        yield _step(dice, anchors.get(index), price, bar=bar, tick_size=tick_size)


def _anchors(dice: random.Random, bar: Bar, steps: int) -> dict[int, Decimal]:
    """Where the day's four prices are met exactly, in the order of their steps."""
    early = 1 + int(dice.random() * (steps // 2 - 2))
    late = steps // 2 + int(dice.random() * (steps - steps // 2 - 1))
    high, low = (early, late) if dice.random() < 0.5 else (late, early)
    return dict(sorted({0: bar.open, high: bar.high, low: bar.low, steps - 1: bar.close}.items()))


def _knots(
    dice: random.Random, anchors: dict[int, Decimal], *, low: float, high: float
) -> Iterator[tuple[int, float]]:
    """The turns of the price: up and down in turn around straight lines between the anchors."""
    swing = min(_SWING_OF_PRICE * low, _SWING_OF_RANGE * (high - low))
    points = [(index, float(price)) for index, price in anchors.items()]
    side = 1 if dice.random() < 0.5 else -1
    for (start, first), (end, second) in pairwise(points):
        yield start, first
        index = start + _leg(dice)
        while index < end - _SHORTEST_LEG // 2:
            course = first + (second - first) * (index - start) / (end - start)
            depth = _SHALLOWEST + (1 - _SHALLOWEST) * dice.random()
            yield index, min(high - swing, max(low + swing, course)) + side * depth * swing
            side = -side
            index += _leg(dice)
    yield points[-1]


def _leg(dice: random.Random) -> int:
    return _SHORTEST_LEG + int(dice.random() * (_LONGEST_LEG - _SHORTEST_LEG))


def _interpolated(knots: Iterator[tuple[int, float]]) -> Iterator[float]:
    """From turn to turn, quick at the turns and slow between them: extremes are brief."""
    start, first = next(knots)
    for end, second in knots:
        for index in range(start, end):
            way = (index - start) / (end - start) - 0.5
            yield first + (second - first) * (0.5 + 4 * way**3)
        start, first = end, second
    yield first


def _step(dice: random.Random, exact: Decimal | None, price: float, *, bar: Bar, tick_size: Decimal) -> Step:
    """One price on the grid, two or three ticks of spread around it, and something to trade on both sides."""
    shake = int(dice.random() * 3) - 1
    on_grid = (round(price / float(tick_size)) + shake) * tick_size
    last = exact if exact is not None else min(bar.high, max(bar.low, on_grid))
    above = 1 + int(dice.random() * 2)
    return Step(
        last=last,
        bid=max(tick_size, last - tick_size),
        ask=last + above * tick_size,
        bid_size=100 * (1 + int(dice.random() * 9)),
        ask_size=100 * (1 + int(dice.random() * 9)),
    )
