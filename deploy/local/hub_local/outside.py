"""Servers that are somebody else's, named by the environment. They are looked at and used, never started,
stopped or emptied."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import aiormq
import asyncpg
from aiormq.exceptions import InvalidFrameError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub_local.credentials import write_private
from hub_local.faults import StartError

POSTGRES = "HUB_LOCAL_POSTGRES_URL"
AMQP = "HUB_LOCAL_AMQP_URL"
REDIS = "HUB_LOCAL_REDIS_URL"
CONNECT_LIMIT = 5.0
# Its client would print by itself what is said better here.
logging.getLogger("aiormq").addHandler(logging.NullHandler())
OLDEST_POSTGRES = 15
OLDEST_RABBITMQ = (3, 10)
_ROLE = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class Outside:
    """The URLs, passwords included; an empty one means: our own server."""

    postgres: str = field(default="", repr=False)
    amqp: str = field(default="", repr=False)
    redis: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises StartError for what is not the URL of such a server."""
        found = cls(*(environment.get(name, "").strip() for name in (POSTGRES, AMQP, REDIS)))
        _see(POSTGRES, found.postgres, "postgresql", "postgres")
        _see(AMQP, found.amqp, "amqp", "amqps")
        _see(REDIS, found.redis, "redis", "rediss")
        return found

    def programs(self) -> Iterator[str]:
        """Which of the stack's own programs are not needed."""
        if self.postgres:
            yield "postgres"
        if self.amqp:
            yield from ("rabbitmq", "rabbitmq distribution", "epmd")
        if self.redis:
            yield "redis"

    def only(self, *names: str) -> Outside:
        """Of the three, those that are named: postgres, amqp, redis."""
        urls = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return Outside(**{name: url for name, url in urls.items() if name in names})

    def without_passwords(self) -> Outside:
        return Outside(*(url and _as(url, _user(url)) for url in dataclasses.astuple(self)))

    def database(self, name: str, role: str | None = None) -> str:
        """Of one database: for a role without its password, else with the login that was given."""
        whole = _as(self.postgres, role) if role else self.postgres
        return urlsplit(whole)._replace(path=f"/{name}").geturl()

    def administration(self) -> str:
        """The database that the URL names, or the one that every server has."""
        named = urlsplit(self.postgres).path.strip("/")
        return self.postgres if named else self.database("postgres")

    def variables(self, secrets: Path) -> dict[str, str]:
        """What a service is told of the broker and the cache."""
        found = {}
        for name, url in (("AMQP", self.amqp), ("REDIS", self.redis)):
            if url:
                found[f"HUB_{name}_URL"] = _as(url, _user(url))
                found[f"HUB_{name}_PASSWORD_FILE"] = str(_password_file(secrets, name))
        return found

    def write_passwords(self, secrets: Path) -> None:
        """Services read passwords from files."""
        for name, url in (("AMQP", self.amqp), ("REDIS", self.redis)):
            if url:
                write_private(_password_file(secrets, name), unquote(urlsplit(url).password or ""))

    async def check(self) -> None:
        """Raises StartError when one of them cannot be used."""
        if self.postgres:
            await _check_postgres(self.administration())
        if self.amqp:
            await _check_amqp(self.amqp)
        if self.redis:
            await _check_redis(self.redis)


def place(url: str) -> str:
    """Host and port, as they stand in the URL."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _see(variable: str, url: str, *schemes: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        complete = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise StartError(f"{variable}: must be like {schemes[0]}://user:password@host:port/")


def _user(url: str) -> str:
    return urlsplit(url).username or ""


def _as(url: str, user: str | None) -> str:
    """The same server for another user, without a password."""
    return urlsplit(url)._replace(netloc=f"{user}@{place(url)}" if user else place(url)).geturl()


def _password_file(secrets: Path, name: str) -> Path:
    return secrets / f"outside-{name.lower()}"


def _silent(variable: str, what: str, url: str, error: BaseException) -> StartError:
    why = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return StartError(f"{variable}: {what} at {place(url)} cannot be used: {why.splitlines()[0]}")


def _refused(variable: str, url: str, error: BaseException) -> StartError:
    return StartError(f"{variable}: {place(url)} refuses the login: {str(error).splitlines()[0]}")


async def _check_postgres(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_LIMIT, command_timeout=CONNECT_LIMIT)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise _refused(POSTGRES, url, error) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise _silent(POSTGRES, "PostgreSQL", url, error) from None
    try:
        version = connection.get_server_version().major
        role = await connection.fetchrow(_ROLE)
    finally:
        await connection.close(timeout=CONNECT_LIMIT)
    if version < OLDEST_POSTGRES:
        raise StartError(f"{POSTGRES}: PostgreSQL {version} is too old, {OLDEST_POSTGRES} or newer is needed")
    if role is None or not (role["rolsuper"] or (role["rolcreaterole"] and role["rolcreatedb"])):
        name = role["rolname"] if role else _user(url)
        raise StartError(
            f"{POSTGRES}: {name} may not make databases and roles; "
            f"ALTER ROLE {name} CREATEDB CREATEROLE allows it"
        )


async def _check_amqp(url: str) -> None:
    try:
        async with asyncio.timeout(CONNECT_LIMIT):
            connection = await aiormq.connect(url)
    except InvalidFrameError:  # the client does not understand how a virtual host is refused
        host = unquote(urlsplit(url).path.removeprefix("/")) or "/"
        raise StartError(f"{AMQP}: {place(url)} has no virtual host {host} for this login") from None
    except (aiormq.exceptions.AuthenticationError, aiormq.exceptions.ProbableAuthenticationError) as error:
        raise _refused(AMQP, url, error) from None
    except (OSError, TimeoutError, aiormq.exceptions.AMQPError, ValueError) as error:
        raise _silent(AMQP, "RabbitMQ", url, error) from None
    version = str((connection.server_properties or {}).get("version", ""))
    await connection.close(timeout=CONNECT_LIMIT)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST_RABBITMQ:
        raise StartError(f"{AMQP}: RabbitMQ {version} is too old, 3.10 or newer is needed")


async def _check_redis(url: str) -> None:
    try:
        async with asyncio.timeout(CONNECT_LIMIT), Redis.from_url(url) as redis:
            await redis.ping()
    except (OSError, TimeoutError, RedisError, ValueError) as error:
        # What the client raises for a wrong password depends on the version of the server.
        if any(word in str(error).lower() for word in ("wrongpass", "auth", "password")):
            raise _refused(REDIS, url, error) from None
        raise _silent(REDIS, "Redis", url, error) from None
