"""Whether an answer is one that the OpenAPI document says can come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator

Document = Mapping[str, Any]


class Contract:
    """A document, asked about many answers."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._components = document["components"]
        # Paths without parameters come first: /orders/history is not an order's; a file before what it is of.
        paths = sorted(document["paths"], key=lambda path: ("{" in path, path.endswith("}"), path))
        self._patterns = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]
        self._validators: dict[str, OAS31Validator] = {}

    def path(self, asked: str) -> str | None:
        return next((path for pattern, path in self._patterns if pattern.fullmatch(asked)), None)

    def operation(self, method: str, asked: str) -> Document | None:
        path = self.path(asked)
        found: Document | None = self.document["paths"][path].get(method.lower()) if path else None
        return found

    async def check(self, answer: httpx.Response) -> None:
        """For httpx's event hooks: fails when a documented operation answers what is not documented."""
        operation = self.operation(answer.request.method, answer.request.url.path)
        if operation is None:
            return
        await answer.aread()
        where = (
            f"{answer.request.method} {answer.request.url.path} -> {answer.status_code} {answer.text[:500]}"
        )
        assert str(answer.status_code) in operation["responses"], f"an undocumented status: {where}"
        documented = operation["responses"][str(answer.status_code)]
        if "content" not in documented:
            assert not answer.content, f"a body where none is documented: {where}"
            return
        media = answer.headers["content-type"].partition(";")[0]
        if "*/*" in documented["content"]:
            return
        assert media in documented["content"], f"an undocumented media type {media}: {where}"
        if media.endswith("json"):
            faults = [
                each.message for each in self.faults(documented["content"][media]["schema"], answer.json())
            ]
            assert not faults, f"{faults}: {where}"

    def faults(self, schema: Document, instance: object) -> list[Any]:
        """What is wrong with a value, by its schema in the document."""
        key = repr(schema)
        if key not in self._validators:
            self._validators[key] = OAS31Validator({**schema, "components": self._components})
        return list(self._validators[key].iter_errors(instance))
