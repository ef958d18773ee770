"""Secrets and certificates of the containers: made once, never replaced. Starts nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub_local.certificates import Authority, lasts
from hub_local.credentials import secret
from hub_local.layout import SERVICES

SERVERS = ("postgres", "redis", "rabbitmq")
VARIABLE = "SECRETS_FOLDER"


@dataclass(frozen=True)
class Made:
    """What `make` did: files that were missing, certificates that will soon be of no use."""

    new: tuple[Path, ...]
    expiring: tuple[Path, ...]


def secret_names() -> Iterator[str]:
    for service in SERVICES.values():
        if service.database:
            yield service.package
            yield f"{service.package}_owner"
    yield from ("postgres", "amqp", "redis", "signing", "admin")


def missing(folder: Path) -> list[Path]:
    """What docker-compose.yml wants of `folder` and is not there."""
    wanted = [folder / "secrets" / name for name in secret_names()]
    wanted.append(folder / "certificates/ca.pem")
    for name in (*SERVICES, *SERVERS):
        wanted += [folder / "certificates" / f"{name}{end}" for end in (".pem", ".key")]
    return [path for path in wanted if not path.exists()]


def make(folder: Path) -> Made:
    """`folder`/secrets and `folder`/certificates, complete.

    A container gets single files of them, and its user is none of this machine: so the files can be read by
    all, and the folders, which others on this machine would have to pass, by the caller alone.
    """
    for place in (folder / "secrets", folder / "certificates"):
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
    new = [*_secrets(folder / "secrets"), *_certificates(folder / "certificates")]
    certificates = sorted((folder / "certificates").glob("*.pem"))
    return Made(tuple(new), tuple(file for file in certificates if not lasts(file)))


def _secrets(folder: Path) -> Iterator[Path]:
    for name in secret_names():
        path = folder / name
        if not path.exists():
            secret(path)
            path.chmod(0o444)
            yield path


def _certificates(folder: Path) -> Iterator[Path]:
    if (folder / "ca.pem").exists():
        authority = None
    else:
        authority = Authority.create("Hub Investments containers")
        authority.save(folder)
        yield folder / "ca.pem"
    for name in (*SERVICES, *SERVERS):
        if (folder / f"{name}.pem").exists() and (folder / f"{name}.key").exists():
            continue
        authority = authority or Authority.load(folder)
        for path in authority.issue(name, folder):
            path.chmod(0o444)
            yield path


def tell_compose(checkout: Path, folder: Path) -> None:
    """In .env, which docker compose reads by itself; the other lines in it are somebody else's."""
    settings, folder = checkout / ".env", folder.resolve()
    text = settings.read_text() if settings.exists() else ""
    place = f"./{folder.relative_to(checkout)}" if folder.is_relative_to(checkout) else str(folder)
    line = f"{VARIABLE}={place}"
    if re.search(rf"(?m)^{VARIABLE}=", text):
        text = re.sub(rf"(?m)^{VARIABLE}=.*$", lambda _: line, text)
    else:
        text = f"{text.rstrip()}\n{line}\n".lstrip()
    settings.write_text(text)
