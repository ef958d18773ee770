"""How long to wait before the next try."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """Doubles from `min_s` to `max_s`; each wait is somewhere between half of that and all of it."""

    def __init__(self, min_s: float = 0.1, max_s: float = 5.0) -> None:
        self.min_s = min_s
        self.max_s = max_s
        self._ceiling_s = min_s

    def next_s(self) -> float:
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(ceiling_s * 2, self.max_s)
        return ceiling_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        self._ceiling_s = self.min_s

    async def wait(self) -> None:
        await asyncio.sleep(self.next_s())
