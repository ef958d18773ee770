"""Where a stack keeps its things, and which services it runs with which environment. Starts nothing."""

import hashlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub_local.outside import AMQP, POSTGRES, REDIS, Outside
from hub_local.ports import HOST, Ports

# Every process of a stack carries this variable with the stack's directory: that is how leftovers are known.
MARKER = "HUB_LOCAL_STATE"
ADMIN_EMAIL = "admin@hub.local"
# Where a front end in development is served from.
FRONT_ENDS = "http://127.0.0.1:3000,http://localhost:3000"
OWN_SERVERS = Outside()
REPLAY = "replay"
FEEDS = (REPLAY, "lean", "random", "alpaca")
SHARED_STATE = Path("/var/lib/hub-investments")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process of the platform and what it needs."""

    name: str
    peers: tuple[str, ...] = ()
    database: bool = False
    amqp: bool = False
    redis: bool = False
    signs: bool = False

    @property
    def identifier(self) -> str:
        """The name as it stands in packages, roles and databases: market_data."""
        return self.name.replace("-", "_")

    @property
    def package(self) -> str:
        return f"hub_{self.identifier}"


GATEWAY = Service(
    name="gateway",
    redis=True,
    peers=("auth", "market-data", "order", "position", "portfolio", "quote-stream"),
)
_TABLE = (
    GATEWAY,
    Service(name="auth", database=True, signs=True),
    Service(name="market-data", database=True, redis=True, peers=("auth",)),
    Service(name="order", database=True, amqp=True, peers=("auth", "market-data", "position")),
    Service(name="position", database=True, amqp=True, peers=("auth", "market-data")),
    Service(name="portfolio", database=True, amqp=True, peers=("auth", "market-data", "position")),
    Service(name="quote-stream", amqp=True, peers=("market-data",)),
)
SERVICES: dict[str, Service] = {service.name: service for service in _TABLE}


@dataclass(frozen=True)
class Layout:
    """The folders of one stack, all below one directory. Each feed has data of its own: the market's clock
    never goes back, so that what one has left another could not go on with."""

    state: Path
    feed: str = REPLAY

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def admin_password(self) -> Path:
        """Of the user ADMIN_EMAIL."""
        return self.secrets / "admin"

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    @property
    def lock(self) -> Path:
        return self.state / "supervisor.lock"

    @property
    def processes(self) -> Path:
        return self.state / "processes.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @property
    def all_data(self) -> Path:
        return self.state / ("data" if self.feed == REPLAY else f"data-{self.feed}")

    def data(self, server: str) -> Path:
        return self.all_data / server

    def make(self) -> None:
        """Creates the folders; servers run as other users, so they must be able to pass through."""
        for folder in (self.state, self.all_data, self.logs, self.certificates):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        self.secrets.mkdir(exist_ok=True)
        self.secrets.chmod(0o700)


def state_directory(checkout: Path) -> Path:
    """`.local` in the checkout, unless the servers' users could not enter it there."""
    inside = checkout / ".local"
    if os.geteuid() != 0 or all(_others_can_enter(folder) for folder in (checkout, *checkout.parents)):
        return inside
    return SHARED_STATE / hashlib.sha256(str(checkout).encode()).hexdigest()[:10]


def _others_can_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


@dataclass(frozen=True)
class Account:
    """The user a server runs as when we are root."""

    uid: int
    gid: int


def server_account(user: str) -> Account | None:
    """The server's own user, nobody where it has none, None (stay who we are) when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (user, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise RuntimeError(f"this machine has neither a user {user} nor nobody")


def environment(
    service: Service,
    *,
    layout: Layout,
    ports: Ports,
    migrate: bool = False,
    ending: str = "",
    overrides: Mapping[str, str] | None = None,
    outside: Outside = OWN_SERVERS,
) -> dict[str, str]:
    """The whole environment of a service's process; its migrations run as the database's owner. `ending`: of
    the name of the database that is meant."""
    table = {
        **_common(service, layout=layout, ports=ports),
        **_stores(service, layout=layout, ports=ports, migrate=migrate, ending=ending, outside=outside),
        **{
            f"HUB_{peer.replace('-', '_').upper()}_TARGET": f"{HOST}:{ports.grpc[peer]}"
            for peer in service.peers
        },
    }
    # The administrators' addresses of servers that were given are nobody's business but ours.
    caller = {name: value for name, value in os.environ.items() if name not in (POSTGRES, AMQP, REDIS)}
    return {**caller, **_defaults(service), **table, **(overrides or {}), **without_proxies()}


def without_proxies() -> dict[str, str]:
    """Loopback never goes through a proxy, whatever the caller's machine is set to."""
    return {
        name: f"{os.environ[name]},{HOST},localhost" if os.environ.get(name) else f"{HOST},localhost"
        for name in ("no_proxy", "NO_PROXY")
    }


def _defaults(service: Service) -> dict[str, str]:
    """What the caller may choose; a HUB_ variable of the caller's environment comes first."""
    chosen = {"HUB_LOG_LEVEL": "info", "HUB_LOG_FORMAT": "json", "HUB_ENVIRONMENT": "local"}
    if service.name == GATEWAY.name:
        chosen["HUB_CORS_ORIGINS"] = FRONT_ENDS
    return {name: value for name, value in chosen.items() if name not in os.environ}


def _common(service: Service, *, layout: Layout, ports: Ports) -> dict[str, str]:
    public = service.name == GATEWAY.name
    address = "HUB_HTTP_ADDRESS" if public else "HUB_GRPC_ADDRESS"
    port = ports.http if public else ports.grpc[service.name]
    return {
        MARKER: str(layout.state),
        "PYTHONUNBUFFERED": "1",
        "HUB_ADMIN_ADDRESS": f"{HOST}:{ports.admin[service.name]}",
        address: f"{HOST}:{port}",
        "HUB_TLS_CA": str(layout.certificates / "ca.pem"),
        "HUB_TLS_CERT": str(layout.certificates / f"{service.name}.pem"),
        "HUB_TLS_KEY": str(layout.certificates / f"{service.name}.key"),
    }


def _stores(
    service: Service, *, layout: Layout, ports: Ports, migrate: bool, ending: str, outside: Outside
) -> dict[str, str]:
    found: dict[str, str] = {}
    if service.database:
        role = f"{service.package}_owner" if migrate else service.package
        found["HUB_DATABASE_URL"] = database_url(
            role, f"{service.package}{ending}", ports=ports, outside=outside
        )
        found["HUB_DATABASE_PASSWORD_FILE"] = str(layout.secrets / role)
    if service.amqp:
        found["HUB_AMQP_URL"] = f"amqp://hub@{HOST}:{ports.amqp}/"
        found["HUB_AMQP_PASSWORD_FILE"] = str(layout.secrets / "amqp")
    if service.redis:
        found["HUB_REDIS_URL"] = f"redis://{HOST}:{ports.redis}/0"
        found["HUB_REDIS_PASSWORD_FILE"] = str(layout.secrets / "redis")
    given = outside.variables(layout.secrets)
    found |= {name: value for name, value in given.items() if name in found}
    if service.signs:
        found["HUB_SIGNING_SECRET_FILE"] = str(layout.secrets / "signing")
        if migrate and layout.admin_password.exists():
            found["HUB_ADMIN_EMAIL"] = ADMIN_EMAIL
            found["HUB_ADMIN_PASSWORD_FILE"] = str(layout.admin_password)
    return found


def database_url(role: str, database: str, *, ports: Ports, outside: Outside = OWN_SERVERS) -> str:
    """Without the password."""
    if outside.postgres:
        return outside.database(database, role)
    return f"postgresql://{role}@{HOST}:{ports.postgres}/{database}"
