"""How the platform is."""

from __future__ import annotations

from typing import Annotated, Literal

from hub_gateway.types.common import Answer, Time, described


class Alive(Answer, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Dependency(Answer, frozen=True):
    """One thing that a service needs."""

    name: Annotated[str, described("Such as database, broker, trust, market.", "database")]
    state: Annotated[str, described("ok, or why not.", "ok")]


class ServiceStatus(Answer, frozen=True):
    """How one replica of a service is, as it says itself."""

    service: Annotated[str, described("The service.", "order")]
    version: str | None
    started_at: Time | None
    ready: Annotated[bool, described("Whether it takes calls.")]
    reason: Annotated[str | None, described("Why it could not be asked.")]
    dependencies: list[Dependency]


class PlatformStatus(Answer, frozen=True):
    """The gateway and all services behind it."""

    ready: Annotated[bool, described("Whether every one of them takes calls.")]
    services: list[ServiceStatus]
