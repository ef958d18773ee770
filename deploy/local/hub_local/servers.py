"""PostgreSQL, Redis and RabbitMQ as private programs: their binaries, configuration and readiness.

Each has its own data folder, loopback address and password; the machine's own instances are never touched.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from hub_local.credentials import rabbit_password_hash, secret, write_private
from hub_local.faults import ServerMissingError, StartError
from hub_local.layout import MARKER, Account, Layout, server_account
from hub_local.ports import HOST, Ports
from hub_local.processes import Program, run_once

POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# For a stack that somebody works with: memory is taken when it is used, and checkpoints come by time. With
# the figures above an order costs 4 % more CPU, and under load a checkpoint comes every minute; but tests
# start many servers.
ROOMY = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
INITDB_LIMIT = 60.0
# A management node waits 5 s for its agents when it stops, so a stack that must stop quickly runs without.
MANAGEMENT = "rabbitmq_management"


class Binaries:
    """Where the servers' programs are; each is looked for when it is asked for."""

    @classmethod
    def find(cls) -> "Binaries":
        return cls()

    @property
    def postgres(self) -> Path:
        return _newest("/usr/lib/postgresql/*/bin", "postgres")

    @property
    def psql(self) -> Path:
        return _newest("/usr/lib/postgresql/*/bin", "psql")

    @property
    def redis(self) -> Path:
        return _program("redis-server")

    @property
    def rabbitmq(self) -> Path:
        return _newest("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "rabbitmq-server")

    @property
    def epmd(self) -> Path:
        return _program("epmd")


def _newest(folders: str, name: str) -> Path:
    found = sorted(Path("/").glob(f"{folders.lstrip('/')}/{name}"), key=_version)
    return found[-1] if found else _program(name)


def _version(path: Path) -> list[int]:
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in str(path)).split()]


def _program(name: str) -> Path:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerMissingError(
            f"{name} is not installed; `sh deploy/local/packages.sh` installs it or says what to do"
        )
    return Path(found)


def _own(path: Path, account: Account | None, mode: int) -> None:
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _folder(path: Path, account: Account | None) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    _own(path, account, 0o700)
    return path


def _file(path: Path, text: str, account: Account | None) -> Path:
    write_private(path, text)
    _own(path, account, 0o600)
    return path


def _environment(layout: Layout, home: Path) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    path = f"{keep.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        **keep,
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        MARKER: str(layout.state),
    }


# PostgreSQL


async def postgres(
    layout: Layout, ports: Ports, binaries: Binaries, *, durable: bool = True, roomy: bool = False
) -> Program:
    """The database server; its data folder is made the first time."""
    account = server_account("postgres")
    data = layout.data("postgres")
    if not (data / "PG_VERSION").exists():
        await _initdb(layout, binaries, data, account, durable=durable)
    settings = {**POSTGRES_SETTINGS, **(ROOMY if roomy else {}), "port": str(ports.postgres)}
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        command=(str(binaries.postgres), "-D", str(data), *options),
        environment=_environment(layout, data),
        directory=data,
        log=layout.log("postgres"),
        account=account,
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
    )


async def _initdb(
    layout: Layout, binaries: Binaries, data: Path, account: Account | None, *, durable: bool
) -> None:
    fresh = data.with_name("postgres.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    _folder(fresh, account)
    password = _file(data.with_name("postgres.password"), secret(layout.secrets / "postgres"), account)
    command = [str(binaries.postgres.with_name("initdb")), "-D", str(fresh), "-U", "postgres"]
    command += ["-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8"]
    log = layout.log("initdb")
    program = Program(
        name="initdb",
        command=(*command, *([] if durable else ["-N"])),
        environment=_environment(layout, fresh),
        directory=fresh,
        log=log,
        account=account,
    )
    code = await run_once(program, limit=INITDB_LIMIT)
    password.unlink()
    if code != 0:
        raise StartError(f"initdb failed: {log.read_text().strip()[-500:]}")
    fresh.rename(data)


async def postgres_ready(layout: Layout, ports: Ports) -> bool:
    try:
        connection = await asyncpg.connect(superuser_dsn(layout, ports), timeout=2)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
        return False
    except asyncpg.InvalidPasswordError as error:
        raise StartError("the databases were made with other secrets; `make reset` starts anew") from error
    await connection.close(timeout=2)
    return True


def superuser_dsn(layout: Layout, ports: Ports, database: str = "postgres") -> str:
    password = secret(layout.secrets / "postgres")
    return f"postgresql://postgres:{password}@{HOST}:{ports.postgres}/{database}"


# Redis


def redis(layout: Layout, ports: Ports, binaries: Binaries) -> Program:
    """The cache; it keeps nothing on disk."""
    account = server_account("redis")
    data = _folder(layout.data("redis"), account)
    lines = [f"bind {HOST}", f"port {ports.redis}", f"dir {data}", 'save ""', "appendonly no", "daemonize no"]
    lines += [
        "maxmemory 256mb",
        "maxmemory-policy allkeys-lru",
        f"requirepass {secret(layout.secrets / 'redis')}",
    ]
    configuration = _file(data / "redis.conf", "\n".join(lines) + "\n", account)
    return Program(
        name="redis",
        command=(str(binaries.redis), str(configuration)),
        environment=_environment(layout, data),
        directory=data,
        log=layout.log("redis"),
        account=account,
    )


async def redis_ready(layout: Layout, ports: Ports) -> bool:
    answer = await _exchange(
        ports.redis, f"AUTH {secret(layout.secrets / 'redis')}\r\nPING\r\n".encode(), b"+PONG"
    )
    return b"+PONG" in answer


# RabbitMQ


def epmd(layout: Layout, ports: Ports, binaries: Binaries) -> Program:
    """Erlang's name server: run as a child of ours, so that RabbitMQ does not leave one of its own behind."""
    account = server_account("rabbitmq")
    home = _folder(layout.data("rabbitmq"), account)
    return Program(
        name="epmd",
        command=(str(binaries.epmd), "-port", str(ports.epmd), "-address", HOST),
        environment=_environment(layout, home),
        directory=home,
        log=layout.log("epmd"),
        account=account,
    )


async def epmd_ready(ports: Ports) -> bool:
    return await _exchange(ports.epmd, b"\x00\x01n", b"") != b""


def rabbitmq(
    layout: Layout,
    ports: Ports,
    binaries: Binaries,
    *,
    management: bool = False,
    settings: Sequence[str] = (),
) -> Program:
    """The broker, with the one user `hub`; `settings` are further lines of its configuration."""
    account = server_account("rabbitmq")
    home = _folder(layout.data("rabbitmq"), account)
    password = secret(layout.secrets / "amqp")
    configuration = _rabbitmq_configuration(ports, home, management=management)
    _file(home / "rabbitmq.conf", configuration + "".join(f"{line}\n" for line in settings), account)
    _file(home / "definitions.json", json.dumps(_definitions(password)), account)
    _file(
        home / "advanced.config",
        "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 3000}]}].\n",
        account,
    )
    _file(home / "enabled_plugins", f"[{MANAGEMENT}].\n" if management else "[].\n", account)
    _file(home / "environment.conf", "", account)
    return Program(
        name="rabbitmq",
        command=(str(binaries.rabbitmq),),
        environment={**_environment(layout, home), **_rabbitmq_environment(ports, home)},
        directory=home,
        log=layout.log("rabbitmq"),
        account=account,
        orphan_signal=signal.SIGTERM,
    )


def _rabbitmq_configuration(ports: Ports, home: Path, *, management: bool) -> str:
    lines = [
        f"listeners.tcp.1 = {HOST}:{ports.amqp}",
        "num_acceptors.tcp = 2",
        "vm_memory_high_watermark.absolute = 512MiB",
        "disk_free_limit.absolute = 64MB",
        "log.console = true",
        "log.console.level = warning",
        "log.file = false",
        "log.console.use_colors = off",
        "heartbeat = 30",
        f"load_definitions = {home / 'definitions.json'}",
    ]
    if management:
        lines += [f"management.tcp.ip = {HOST}", f"management.tcp.port = {ports.amqp_management}"]
    return "\n".join(lines) + "\n"


def _definitions(password: str) -> dict[str, object]:
    user = {
        "name": "hub",
        "password_hash": rabbit_password_hash(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "administrator",
    }
    permission = {"user": "hub", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {"users": [user], "vhosts": [{"name": "/"}], "permissions": [permission]}


def _rabbitmq_environment(ports: Ports, home: Path) -> dict[str, str]:
    return {
        # The start script then becomes the server instead of waiting for it, so that signals reach it.
        "RUNNING_UNDER_SYSTEMD": "1",
        "RABBITMQ_NODENAME": "hub@localhost",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "environment.conf"),
        "RABBITMQ_DIST_PORT": str(ports.amqp_distribution),
        "ERL_EPMD_PORT": str(ports.epmd),
        "ERL_EPMD_ADDRESS": HOST,
        # Its schedulers sleep when there is nothing to do: the cores are shared.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
    }


async def rabbitmq_ready(ports: Ports) -> bool:
    """The AMQP listener opens last, and greets only a client that greets first."""
    return await _exchange(ports.amqp, b"AMQP\x00\x00\x09\x01", b"") != b""


async def _exchange(port: int, question: bytes, until: bytes) -> bytes:
    """Sends the question and reads until the awaited bytes came; what was read, empty when nobody answers."""
    answer = b""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(question)
                while chunk := await reader.read(1024):
                    answer += chunk
                    if until in answer:
                        break
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return answer
    return answer
