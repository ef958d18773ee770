"""The settings that many processes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hub_runtime.settings import Address, Settings, one_of, ratio, setting, url


def secret(path: Path) -> str:
    """The content of a secret's file, without the line end an editor leaves."""
    return path.read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the authority to trust, and this process's own certificate and key."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class ProcessSettings(Settings):
    admin_address: Address = setting("where /livez, /readyz and /metrics answer")
    log_level: str = setting(
        "the least that is logged", default="info", parse=one_of("debug", "info", "warning", "error")
    )
    log_format: str = setting("json, or text for people", default="json", parse=one_of("json", "text"))
    environment: str = setting("local or production", default="local", parse=one_of("local", "production"))
    otlp_endpoint: str = setting(
        "where spans go (OTLP over gRPC); empty: nowhere", default="", parse=url("http", "https")
    )
    trace_ratio: float = setting("share of traces that are sampled at their root", default=0.01, parse=ratio)
    drain_s: float = setting("seconds between turning unready and closing", default=0.3)


@dataclass(frozen=True)
class TlsSettings(Settings):
    tls_ca: Path = setting("PEM file of the authority whose certificates are trusted")
    tls_cert: Path = setting("PEM file of this process's certificate")
    tls_key: Path = setting("PEM file of this process's key")

    @property
    def tls(self) -> TlsFiles:
        return TlsFiles(ca=self.tls_ca, cert=self.tls_cert, key=self.tls_key)


@dataclass(frozen=True)
class GrpcSettings(Settings):
    grpc_address: Address = setting("where gRPC is served")


@dataclass(frozen=True)
class DatabaseSettings(Settings):
    database_url: str = setting("postgresql://role@host:port/database", parse=url("postgresql", "postgres"))
    database_password_file: Path = setting("file with the role's password")
    database_pool_size: int = setting("connections at most", default=10)

    @property
    def database_password(self) -> str:
        return secret(self.database_password_file)


@dataclass(frozen=True)
class AmqpSettings(Settings):
    amqp_url: str = setting("amqp://user@host:port/vhost", parse=url("amqp", "amqps"))
    amqp_password_file: Path = setting("file with the user's password")

    @property
    def amqp_password(self) -> str:
        return secret(self.amqp_password_file)


@dataclass(frozen=True)
class RedisSettings(Settings):
    redis_url: str = setting("redis://host:port/database", parse=url("redis", "rediss"))
    redis_password_file: Path = setting("file with the password")

    @property
    def redis_password(self) -> str:
        return secret(self.redis_password_file)
