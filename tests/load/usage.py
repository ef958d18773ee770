"""CPU time of processes and of all they started, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def cpu_us(pids: Mapping[str, int]) -> dict[str, float]:
    """Microseconds so far, by name: a server's children (also those that ended) count as the server."""
    stats = dict(_stats())
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    return {name: _of_tree(pid, stats, children) * TICK_US for name, pid in pids.items()}


def less(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def _of_tree(pid: int, stats: Mapping[int, tuple[int, int, int]], children: Mapping[int, list[int]]) -> float:
    if pid not in stats:
        raise RuntimeError(f"process {pid} ended while it was measured")
    _, own, reaped = stats[pid]
    return own + reaped + sum(_of_tree(child, stats, children) for child in children.get(pid, ()))


def _stats() -> Iterable[tuple[int, tuple[int, int, int]]]:
    """pid -> parent, own ticks, ticks of children that ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        user, system, reaped_user, reaped_system = map(int, fields[11:15])
        yield int(folder.name), (int(fields[1]), user + system, reaped_user + reaped_system)
