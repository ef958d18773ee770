"""What the code says of a service: its settings, jobs, RPCs and events. Pages are held against it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from google.protobuf import descriptor_pool

from hub.event.v1 import event_pb2
from hub_events import TOPOLOGY, Family
from hub_local.layout import SERVICES, Service
from hub_rpc.call_table import may_call
from hub_runtime import ProcessSettings, common_settings
from hub_runtime.settings import Settings, describe
from tests.pages.markdown import ROOT, Section, sections

EVENTS: Final = {
    field.message_type.name: field.name
    for field in event_pb2.Envelope.DESCRIPTOR.oneofs_by_name["payload"].fields
    if field.message_type is not None
}
"""Name of the message -> name of the field in the envelope."""

COMMON: Final = {
    name.removesuffix("Settings").lower(): value
    for name, value in vars(common_settings).items()
    if isinstance(value, type)
    and issubclass(value, Settings)
    and value is not Settings
    and not name.startswith("_")
}
"""The groups of settings that several processes share."""


class Setting(NamedTuple):
    variable: str
    default: str
    meaning: str


def settings_of(kind: type[Settings]) -> list[Setting]:
    """As --help shows them."""
    lines = describe(kind).splitlines()
    return [Setting(*re.split(r"\s{2,}", line.strip(), maxsplit=2)) for line in lines]


def event_name(field: str) -> str:
    """order_accepted -> order.accepted."""
    return field.replace("_", ".", 1)


def queue_of(family: Family, stage: str) -> str:
    """As pages name it: orders.submit.N, or orders.settlement where there is one."""
    return f"{family.name}.{stage}" + ("" if stage in family.single else ".N")


@dataclass(frozen=True)
class Facts:
    service: Service

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def page(self) -> Path:
        folder = ROOT / "gateway" if self.name == "gateway" else ROOT / "services" / self.name
        return folder / "README.md"

    @cached_property
    def sections(self) -> list[Section]:
        return sections(self.page)

    @cached_property
    def main(self) -> ModuleType:
        return importlib.import_module(f"{self.service.package}.__main__")

    @property
    def jobs(self) -> set[str]:
        found: Mapping[str, str] = self.main.JOBS
        return {*found, "migrate"} if self.service.database else {*found}

    @cached_property
    def settings_type(self) -> type[ProcessSettings]:
        module = importlib.import_module(f"{self.service.package}.settings")
        [found] = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, ProcessSettings)
            and value.__module__ == module.__name__
        ]
        return found

    @property
    def common(self) -> set[str]:
        """The groups of common settings that it takes."""
        return {name for name, group in COMMON.items() if issubclass(self.settings_type, group)}

    @property
    def own_settings(self) -> list[Setting]:
        shared = {each.variable for name in self.common for each in settings_of(COMMON[name])}
        return [each for each in settings_of(self.settings_type) if each.variable not in shared]

    @property
    def rpcs(self) -> dict[str, dict[str, set[str]]]:
        """Service -> method -> who may call it."""
        table = getattr(self.main, "CALL_TABLE", {})
        found: dict[str, dict[str, set[str]]] = {}
        for service in table:
            methods = descriptor_pool.Default().FindServiceByName(service).methods
            found[service] = {
                method.name: set(may_call(table, f"/{service}/{method.name}") or ()) for method in methods
            }
        return found

    @property
    def events_out(self) -> set[str]:
        """Every event whose payload it makes."""
        made = {
            node.func.attr
            for node in self._code
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "event_pb2"
        }
        return {event_name(EVENTS[message]) for message in made & set(EVENTS)}

    @property
    def events_in(self) -> set[str]:
        """Every event whose field in the envelope it asks for by name."""
        return {event_name(field) for field in EVENTS.values() if field in self._texts}

    @property
    def read_from(self) -> set[str]:
        """The queues it consumes, and the fan-outs it listens to."""
        status = {family.status for family in TOPOLOGY.families if family.has_fanout}
        return set(self._of_families("queues_of")) | (self._texts & status)

    @property
    def told_to(self) -> set[str]:
        """The queues it publishes for, and the fan-outs, also those that the broker tells by its bindings."""
        named = {
            family.status
            for node in self._code
            for family in TOPOLOGY.families
            if isinstance(node, ast.Attribute)
            and node.attr == "status"
            and isinstance(node.value, ast.Name)
            and node.value.id == family.name.upper()
        }
        queues = set(self._of_families("key"))
        bound = {
            exchange
            for family in TOPOLOGY.families
            for stage, exchange in family.told
            if queue_of(family, stage) in queues
        }
        heard = {
            queue_of(family, stage)
            for family in TOPOLOGY.families
            for stage, exchange in family.hears
            if exchange in named
        }
        return queues | named | bound | heard

    def _of_families(self, method: str) -> Iterator[str]:
        """ORDERS.key("submit", ...) -> orders.submit.N."""
        families = {each.name: each for each in TOPOLOGY.families}
        for node in self._code:
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=family), attr=called),
                    args=[ast.Constant(value=str(stage)), *_],
                ) if called == method and family.lower() in families:
                    yield queue_of(families[family.lower()], stage)

    @cached_property
    def _code(self) -> list[ast.AST]:
        [file] = [Path(path) for path in importlib.import_module(self.service.package).__path__]
        return [node for path in file.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]

    @property
    def _texts(self) -> set[str]:
        """But not the names of what is logged."""
        logged = {
            argument
            for node in self._code
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "log"
            for argument in node.args
        }
        constants = [
            node.value for node in self._code if isinstance(node, ast.Constant) and node not in logged
        ]
        return {value for value in constants if isinstance(value, str)}


FACTS: Final = {name: Facts(service) for name, service in SERVICES.items()}
