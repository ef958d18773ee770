"""Every variable of the auth service, its default and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hub_runtime import (
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    SettingsError,
    TlsSettings,
    secret,
    setting,
)

SECRET_BYTES = 32


def _secret_file(text: str) -> Path:
    path = Path(text)
    try:
        size = len(bytes.fromhex(secret(path)))
    except (OSError, ValueError):
        size = 0
    if size != SECRET_BYTES:
        raise ValueError(f"must be a readable file with {SECRET_BYTES} bytes in hexadecimal")
    return path


def _threads(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 64):
        raise ValueError("must be a whole number from 1 to 64")
    return int(text)


@dataclass(frozen=True)
class AuthSettings(ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings):
    signing_secret_file: Path = setting(
        "file with 32 random bytes in hexadecimal; signing keys are stored encrypted with it",
        parse=_secret_file,
    )
    access_token_lifetime: timedelta = setting(
        "seconds an access token is good for", default=timedelta(minutes=10)
    )
    session_lifetime: timedelta = setting(
        "seconds after which one has to log in again", default=timedelta(days=30)
    )
    admin_email: str = setting("migrate makes this user an administrator", default="")
    admin_password_file: Path | None = setting(
        "file with the password of that user, where migrate has to make it", default=None
    )
    password_threads: int = setting("passwords hashed at the same time, at most", default=2, parse=_threads)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.admin_email and self.admin_password_file is None:
            raise SettingsError(["HUB_ADMIN_PASSWORD_FILE: is required with HUB_ADMIN_EMAIL"])
        if self.admin_password_file is not None and not self.admin_email:
            raise SettingsError(["HUB_ADMIN_EMAIL: is required with HUB_ADMIN_PASSWORD_FILE"])

    @property
    def signing_secret(self) -> bytes:
        return bytes.fromhex(secret(self.signing_secret_file))

    @property
    def first_admin(self) -> tuple[str, str] | None:
        """E-mail address and password."""
        if self.admin_password_file is None:
            return None
        return self.admin_email, secret(self.admin_password_file)
