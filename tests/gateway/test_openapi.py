"""The OpenAPI document is valid, complete and true. Other tests check their answers against it (world.py)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub_gateway.codes import MEANINGS
from hub_gateway.operation import Access
from tests.gateway.contract import Contract
from tests.gateway.world import Gateway

CHECKOUT = Path(__file__).parents[2]
# Codes that parts of the platform use among themselves; no request through the gateway can bring them about.
INTERNAL = {
    "booked_meanwhile": "a worker's batch is tried again",
    "broker_unavailable": "workers wait for the broker",
    "caller_not_allowed": "a service calls what it may not",
    "corporate_action_conflict": "a job of order says it in its log",
    "corporate_action_not_due": "a job of order says it in its log",
    "execution_not_found": "a settlement that comes before its execution",
    "feed_unavailable": "a follower looks for the next feeder",
    "hold_conflict": "order turns it into order_id_taken",
    "hold_released": "order turns it into order_abandoned",
    "migration_changed": "migrate stops",
    "books_too_large": "the order service leaves the books of an account for later",
    "placed_meanwhile": "a batch of holds is tried again",
    "stream_behind": "the gateway subscribes again",
    "unknown_corporate_action": "a job of order says it in its log",
    "updates_missed": "the gateway asks the owners",
    # The gateway asks for what these refuse in no other form
    "invalid_action": "order passes on what market-data says",
    "invalid_action_type": "an enumeration",
    "invalid_adjustment": "an enumeration",
    "invalid_asset_class": "an enumeration",
    "invalid_choice": "an enumeration",
    "invalid_id": "made by the gateway and by order",
    "invalid_page_size": "the gateway's limit is the same",
    "invalid_query": "the gateway's limit is the same",
    "invalid_side": "order's own",
    "invalid_state": "an enumeration",
    "invalid_text": "the gateway's limits are the same",
    "invalid_timeframe": "an enumeration",
    "missing": "order's own, and the gateway's reasons are all there",
    "negative": "order's own",
    "not_by_value": "order's own",
    "percentage_not_allowed": "order's own",
    "reason_required": "the gateway's reasons are all there",
    "required": "the gateway's fields are all there",
    "too_long": "order's own",
    "too_many": "order's own",
    "too_many_items": "the gateway's batches are smaller",
    "unit_price_on_sell": "order's own",
}


@pytest.fixture
async def document(lonely: Gateway) -> dict[str, Any]:
    answer = await lonely.http.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    faults = [fault.message for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not faults


async def test_every_route_of_the_application_is_described(lonely: Gateway, document: dict[str, Any]) -> None:
    routes = {f"{method} {route.path}" for route in lonely.routes for method in route.operations}
    assert {name for name, _ in operations(document)} == routes


async def test_every_operation_says_what_it_does_and_who_may(
    lonely: Gateway, document: dict[str, Any]
) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    described = dict(operations(document))
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)
    for route in lonely.routes:
        for method, operation in route.operations.items():
            found = described[f"{method} {route.path}"]
            assert found["summary"], route.path
            assert found["tags"][0] in tags, route.path
            secured = operation.access in {Access.USER, Access.ADMIN, Access.STAFF}
            assert bool(found.get("security")) == secured == ("401" in found["responses"] and secured)
            privileged = operation.access in {Access.ADMIN, Access.STAFF}
            assert ("403" in found["responses"]) == privileged, route.path
            assert {"500", "504"} <= found["responses"].keys()


async def test_everything_has_words(document: dict[str, Any]) -> None:
    """Parameters, headers and members of documents: what is not plain from an enumeration is described."""
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])
            assert parameter["schema"], (name, parameter["name"])
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"] != f"{name}.", name
        assert schema.get("properties"), name


async def test_what_answers_leave_out_or_round_is_said(document: dict[str, Any]) -> None:
    schemas, paths = document["components"]["schemas"], document["paths"]
    assert "99.99 or 100.01" in schemas["Position"]["properties"]["weight"]["description"]
    assert "is opened with" in paths["/api/v1/transfers"]["get"]["description"]
    assert "-draft.csv" in paths["/api/v1/statements/{month}.csv"]["get"]["description"]
    # Some are of version 7, some are derived from what they stand for.
    assert schemas["Posting"]["properties"]["transaction_id"]["description"] == "UUID."


async def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    contract = Contract(document)
    found = 0

    def examine(part: Any) -> None:
        nonlocal found
        if isinstance(part, list):
            for each in part:
                examine(each)
        if not isinstance(part, dict):
            return
        pairs = [(part["schema"], part["example"])] if {"schema", "example"} <= part.keys() else []
        if isinstance(part.get("examples"), list):
            pairs += [(part, example) for example in part["examples"]]
        elif "schema" in part:
            pairs += [(part["schema"], each["value"]) for each in part.get("examples", {}).values()]
        for schema, example in pairs:
            found += 1
            assert not contract.faults(schema, example), (schema, example)
        for each in part.values():
            examine(each)

    examine(document)
    assert found > 100


async def test_every_code_that_the_platform_raises_is_described() -> None:
    raised = set(codes_in_source())
    assert {"invalid_decimal", "insufficient_funds", "in_doubt"} <= raised
    assert raised - MEANINGS.keys() - INTERNAL.keys() == set()
    assert INTERNAL.keys() - raised == set(), "nobody raises these any more"
    assert MEANINGS.keys() & INTERNAL.keys() == set()


async def test_every_code_that_is_described_can_come(document: dict[str, Any]) -> None:
    raised = set(codes_in_source())
    assert MEANINGS.keys() - raised == set(), "nobody raises these any more"
    sockets_only = {"too_many_sockets"}
    documented = {
        code
        for _, operation in operations(document)
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
        for code in content["schema"].get("properties", {}).get("code", {}).get("enum", [])
    }
    assert MEANINGS.keys() - documented - sockets_only - {"method_not_allowed"} == set()


def codes_in_source() -> Iterator[str]:
    """What stands after `code=` in a call, in tables of rules, in functions that answer one, and in cases."""
    yield from ("missing_field", "unknown_field")  # a table of the codec's
    for folder in ("libs", "services", "gateway"):
        for file in (CHECKOUT / folder).rglob("*.py"):
            if file.name != "codes.py":
                yield from _codes(ast.parse(file.read_text()))


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _codes_of_call(node)
        elif isinstance(node, ast.Assign):
            yield from _codes_of_assignment(node)
        elif isinstance(node, ast.Match) and isinstance(node.subject, ast.Name) and node.subject.id == "code":
            for case in node.cases:
                yield from _texts(case.pattern)
        elif isinstance(node, ast.FunctionDef) and node.name == "refusal":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Constant):
                    yield from _texts(inner.value)


def _codes_of_call(call: ast.Call) -> Iterator[str]:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    tabled = call.args[:1] if isinstance(call.func, ast.Name) and call.func.id == "Rule" else []
    for part in (*named, *tabled):
        if not isinstance(part, ast.Subscript):
            yield from _texts(part)


def _codes_of_assignment(assignment: ast.Assign) -> Iterator[str]:
    target, value = assignment.targets[0], assignment.value
    if isinstance(target, ast.Name) and target.id == "code" and not isinstance(value, ast.Call):
        yield from _texts(value)


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value
