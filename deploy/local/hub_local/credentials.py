"""The stack's own secrets: random, made once, one file each that only the caller may read."""

import base64
import hashlib
import os
import secrets
from pathlib import Path


def secret(path: Path) -> str:
    """The secret in the file; made now if there is none."""
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Writes a file that nobody else can read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.rename(path)


def rabbit_password_hash(password: str) -> str:
    """RabbitMQ's way: base64(salt + sha256(salt + password))."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
