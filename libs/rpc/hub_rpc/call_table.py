"""Who may call what. Callers are the names in certificates; what is not listed is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CallTable = Mapping[str, Mapping[str, frozenset[str]]]
"""Full service name -> method, or "*" for all others -> names of callers."""

OPEN_TO_ALL = frozenset({"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"})
"""Services that any peer with a certificate of ours may call."""


def may_call(table: CallTable, path: str) -> frozenset[str] | None:
    """The callers of `/service/method`; None stands for every peer with a certificate."""
    service, _, method = path.strip("/").partition("/")
    if service in OPEN_TO_ALL:
        return None
    methods = table.get(service, {})
    return methods.get(method, methods.get("*", frozenset()))


def check_table(table: CallTable, served: Mapping[str, Iterable[str]]) -> None:
    """Raises ValueError where the table and what is served do not match: a typo must not become a refusal."""
    for service, methods in served.items():
        if service in OPEN_TO_ALL:
            continue
        if service not in table:
            raise ValueError(f"the call table does not say who may call {service}")
        if unknown := set(table[service]) - set(methods) - {"*"}:
            raise ValueError(f"the call table names methods that {service} does not have: {sorted(unknown)}")
    if unserved := set(table) - set(served):
        raise ValueError(f"the call table names services that are not served: {sorted(unserved)}")
