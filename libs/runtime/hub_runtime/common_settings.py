"""The settings that many processes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from hub_runtime.crash_points import parse_crash_points
from hub_runtime.settings import Address, Settings, SettingsError, one_of, ratio, setting, url


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
    crash_points: str = setting(
        "for tests: places where the process dies, as name=kill; refused in production",
        default="",
        parse=parse_crash_points,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crash_points and self.environment == "production":
            raise SettingsError(["HUB_CRASH_POINTS: must be empty in production"])


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


class _TrustingSettings(Settings):
    """A URL of a server and, if that server's certificate is to be verified, the authority that issued it.

    Every client library verifies certificate and host name by itself when the URL's query names the
    authority: so that travels with the URL, and no place that connects can forget it.
    """

    def _trust(self, name: str, *, scheme: str, query: str) -> None:
        """`query` has a place for the authority's file, {ca}."""
        ca = cast("Path | None", getattr(self, f"{name}_ca_file"))
        if ca is None:
            return
        address = cast(str, getattr(self, f"{name}_url"))
        variable = f"HUB_{name.upper()}_URL"
        if not address.startswith(f"{scheme}://"):
            raise SettingsError(
                [f"{variable}: must start with {scheme}:// when HUB_{name.upper()}_CA_FILE is set"]
            )
        if "?" in address:
            raise SettingsError([f"{variable}: must have no query when HUB_{name.upper()}_CA_FILE is set"])
        object.__setattr__(self, f"{name}_url", f"{address}?{query.format(ca=quote(str(ca), safe='/'))}")


@dataclass(frozen=True)
class DatabaseSettings(_TrustingSettings):
    database_url: str = setting("postgresql://role@host:port/database", parse=url("postgresql", "postgres"))
    database_password_file: Path = setting("file with the role's password")
    database_ca_file: Path | None = setting(
        "PEM file of the authority of the server's certificate; empty: not verified", default=None
    )
    database_pool_size: int = setting("connections at most", default=10)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._trust("database", scheme="postgresql", query="sslmode=verify-full&sslrootcert={ca}")

    @property
    def database_password(self) -> str:
        return secret(self.database_password_file)


@dataclass(frozen=True)
class AmqpSettings(_TrustingSettings):
    amqp_url: str = setting("amqp://user@host:port/vhost, or amqps://", parse=url("amqp", "amqps"))
    amqp_password_file: Path = setting("file with the user's password")
    amqp_ca_file: Path | None = setting(
        "PEM file of the authority of an amqps:// server's certificate; empty: the system's", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._trust("amqp", scheme="amqps", query="cafile={ca}")

    @property
    def amqp_password(self) -> str:
        return secret(self.amqp_password_file)


@dataclass(frozen=True)
class RedisSettings(_TrustingSettings):
    redis_url: str = setting("redis://host:port/database, or rediss://", parse=url("redis", "rediss"))
    redis_password_file: Path = setting("file with the password")
    redis_ca_file: Path | None = setting(
        "PEM file of the authority of a rediss:// server's certificate; empty: the system's", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._trust(
            "redis", scheme="rediss", query="ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs={ca}"
        )

    @property
    def redis_password(self) -> str:
        return secret(self.redis_password_file)
