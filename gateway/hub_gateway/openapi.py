"""The OpenAPI 3.1 document, made from the operations and the types of their documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import msgspec

from hub_gateway.codes import MEANINGS, Problems
from hub_gateway.operation import KNOWN, PATH, Operation, Parameter, Resource
from hub_gateway.problems import title_of
from hub_gateway.types.common import Problem

Document = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
TAGS: Final = (
    ("auth", "Users and their sessions."),
    ("market-data", "What can be traded, when, and at what price."),
    ("orders", "Sending orders and seeing what becomes of them."),
    ("portfolio", "What you own, and the ledger behind it."),
    ("watchlists", "What you keep an eye on."),
    ("stream", "Live quotes and your own updates."),
    ("admin", "For callers with the role admin. Every act is recorded."),
    ("platform", "How the platform is."),
    ("legacy", "The paths of the predecessor, with the same data. New programs use /api/v1."),
)
DESCRIPTION: Final = """
An open brokerage back end.

Register, log in, and send the `access_token` as `Authorization: Bearer <token>` (here: Authorize).

- Money and quantities are exact decimals of at most 8 places, sent as strings. Times are in UTC.
- Every error is a problem document (RFC 9457) with a stable `code`, and a `trace_id` for our logs.
- Unknown members, unknown query parameters and repeated headers are refused. Bodies end at 64 KiB.
- An order that was answered 202 is durable. `Idempotency-Key` makes sending it repeatable.
- Every path answers `OPTIONS`, and `HEAD` where it has `GET`. Another method is a 405 with `Allow`.
- Every answer has an `X-Request-Id`: the one that was sent, or one of ours.
"""


def document(resources: Sequence[Resource]) -> Document:
    """The whole interface."""
    operations = [operation for resource in resources for operation in resource.operations.values()]
    schemas = _Schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hub Investments",
            "version": version("hub-gateway"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS],
        "paths": {
            resource.path: {
                **_path_parameters(resource.path),
                **{
                    method.lower(): _operation(resource.path, method, operation, schemas)
                    for method, operation in resource.operations.items()
                },
            }
            for resource in resources
        },
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access_token of /api/v1/auth/login.",
                }
            },
        },
    }


class _Schemas:
    """The types' JSON schemas: named ones are components, the others stand where they are used."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types: list[Any] = [Problem]
        for operation in operations:
            types.extend(kind for kind in operation.answers.values() if kind is not None)
            if operation.body is not None:
                types.append(operation.body)
        self._types = list(dict.fromkeys(types))
        found, self.components = msgspec.json.schema_components(self._types, ref_template=REFERENCE)
        self._found = dict(zip(self._types, found, strict=True))

    def of(self, kind: Any) -> Any:
        return self._found[kind]


def _operation(path: str, method: str, operation: Operation, schemas: _Schemas) -> Document:
    described: Document = {
        "operationId": _operation_id(path, method, operation.tag),
        "summary": operation.summary,
        "tags": [operation.tag],
    }
    if operation.description:
        described["description"] = operation.description
    if operation.deprecated:
        described["deprecated"] = True
    if operation.access in KNOWN:
        described["security"] = [{"token": []}]
    parameters = [_parameter("query", each) for each in operation.query]
    parameters += [_parameter("header", each) for each in operation.headers]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content: Document = {"schema": schemas.of(operation.body)}
        if operation.examples:
            content["examples"] = {name: {"value": each} for name, each in operation.examples.items()}
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": content},
        }
    described["responses"] = {**_answers(operation, schemas), **_problems(operation.all_problems(path))}
    return described


def _answers(operation: Operation, schemas: _Schemas) -> Document:
    found: Document = {}
    for status, kind in operation.answers.items():
        answered: Document = {"description": title_of(status)}
        if kind is not None:
            answered["content"] = {operation.media_type: {"schema": schemas.of(kind)}}
        if operation.answer_headers:
            answered["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in operation.answer_headers.items()
            }
        found[str(status)] = answered
    return found


def _problems(problems: Problems) -> Document:
    return {str(status): _problem(status, codes) for status, codes in problems.items()}


def _problem(status: int, codes: Sequence[str]) -> Document:
    lines = "\n".join(f"- `{code}`: {MEANINGS[code]}" for code in codes)
    answered: Document = {
        "description": f"{title_of(status)}\n\n{lines}",
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [{"$ref": REFERENCE.format(name="Problem")}],
                    "properties": {"code": {"enum": list(codes)}, "status": {"const": status}},
                },
                "example": _example(status, codes[0]),
            }
        },
    }
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        answered["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        }
    return answered


def _example(status: int, code: str) -> Document:
    return {
        "type": f"urn:hub:problem:{code}",
        "title": title_of(status),
        "status": status,
        "detail": MEANINGS[code],
        "code": code,
        "trace_id": "c80152f2a31d4f0e9d2b5c7a8e6f1d20",
    }


def _path_parameters(path: str) -> Mapping[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    return {"parameters": [_parameter("path", PATH[name]) for name in names]} if names else {}


def _parameter(place: str, parameter: Parameter) -> Document:
    described: Document = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }
    if parameter.example is not None:
        described["example"] = parameter.example
    return described


def _operation_id(path: str, method: str, tag: str) -> str:
    """Such as get_orders_order_id: what generated clients call their methods."""
    kept = path.removeprefix("/api/v1")
    words = ["legacy", method] if kept == path and tag == "legacy" else [method]
    return "_".join([*words, *re.findall(r"\w+", kept)]).lower()
