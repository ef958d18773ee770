"""The chain of an order tells when somebody changed, removed or added a record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub_order import audit
from hub_order.domain import accepted, fill, rest
from tests.order import build

Chain = list[tuple[audit.Record, bytes]]


@pytest.fixture
def chain() -> Chain:
    first = accepted(build.order(), quote=build.quote())
    second = rest(first.order, now=build.NOW, quote=None)
    third = fill(second.order, build.execution(second.order, "10"))
    return [(change.record, change.record.hash) for change in (first, second, third)]


def faults(chain: Chain, *, of: Chain) -> list[str]:
    return audit.faults(chain, head=of[-1][1], version=len(of))


def test_an_untouched_chain_has_no_faults(chain: Chain) -> None:
    assert faults(chain, of=chain) == []


@pytest.mark.parametrize(
    "field", [{"actor": "nobody"}, {"status": "FAILED"}, {"detail": {"price": "1"}}, {"quote": {"bid": "1"}}]
)
def test_a_changed_record_is_found(chain: Chain, field: dict[str, object]) -> None:
    record, stored = chain[1]
    changed = [chain[0], (replace(record, **field), stored), chain[2]]  # type: ignore[arg-type]
    assert faults(changed, of=chain) == ["record 2 was changed"]


def test_a_record_changed_together_with_its_hash_is_found(chain: Chain) -> None:
    forged = replace(chain[1][0], actor="nobody")
    changed = [chain[0], (forged, forged.hash), chain[2]]
    assert faults(changed, of=chain) == ["record 3 does not follow the one before"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_record_is_found(chain: Chain, missing: int) -> None:
    rest_of_it = [record for position, record in enumerate(chain) if position != missing]
    assert faults(rest_of_it, of=chain)


def test_an_added_record_is_found(chain: Chain) -> None:
    last = chain[-1][0]
    forged = replace(last, version=4, prev_hash=last.hash)
    assert faults([*chain, (forged, forged.hash)], of=chain)
