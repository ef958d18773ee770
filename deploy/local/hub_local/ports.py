"""Which TCP ports the stack uses, whether they are free, and who holds one that is not. All on loopback."""

import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"
# Ephemeral client sockets start at 32768: a server's port above it may be taken by anybody's connection.
PROBED = (*range(23000, 25400), *range(27300, 32700))
# So many that the ports of `make run` never come among the probed ones.
LARGEST_SHIFT = 900


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One port per name; `grpc` and `admin` by service."""

    http: int
    grpc: Mapping[str, int]
    admin: Mapping[str, int]
    postgres: int
    redis: int
    amqp: int
    amqp_management: int
    amqp_distribution: int
    epmd: int

    @classmethod
    def local(cls, services: tuple[str, ...], *, http: int = 8080, shift: int = 0) -> Self:
        """The fixed ports of `make run`: a service keeps the number of its place in the table.

        `shift` moves all of them but the gateway's, for a second stack on the same machine.
        """
        return cls(
            http=http,
            grpc={name: 21000 + shift + place for place, name in enumerate(services) if place},
            admin={name: 22000 + shift + place for place, name in enumerate(services)},
            postgres=25432 + shift,
            redis=26379 + shift,
            amqp=25672 + shift,
            amqp_management=25673 + shift,
            amqp_distribution=25674 + shift,
            epmd=25675 + shift,
        )

    @classmethod
    def probe(cls, services: tuple[str, ...]) -> Self:
        """Ports that are free now, for a stack beside others."""
        free = iter(free_ports(7 + 2 * len(services)))
        return cls(
            http=next(free),
            grpc={name: next(free) for name in services[1:]},
            admin={name: next(free) for name in services},
            postgres=next(free),
            redis=next(free),
            amqp=next(free),
            amqp_management=next(free),
            amqp_distribution=next(free),
            epmd=next(free),
        )

    def servers(self) -> dict[str, int]:
        """The ports of the three servers."""
        return {
            "postgres": self.postgres,
            "redis": self.redis,
            "rabbitmq": self.amqp,
            "rabbitmq distribution": self.amqp_distribution,
            "epmd": self.epmd,
        }

    def named(self) -> dict[str, int]:
        """Every port of the whole stack."""
        grpc = {f"{name} grpc": port for name, port in self.grpc.items()}
        admin = {f"{name} admin": port for name, port in self.admin.items()}
        return {"gateway http": self.http, **grpc, **admin, **self.servers()}


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """So many different free ports, drawn at random so that two callers rarely meet."""
    found: list[int] = []
    for port in random.sample(PROBED, len(PROBED)):
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    return found


def holder(port: int) -> str | None:
    """Who listens on the port, as far as this user may know: "redis-server (process 812)"."""
    inodes = set(_listening_inodes(port))
    for process in Path("/proc").glob("[0-9]*"):
        if inodes & _socket_inodes(process):
            return f"{_command(process)} (process {process.name})"
    return None


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:  # it has just ended
        return "a program"


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                yield fields[9]


def _socket_inodes(process: Path) -> set[str]:
    found = set()
    try:
        for entry in (process / "fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return found
    return found
