"""Settings: read, defaulted, refused with a reason."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub_runtime import (
    Address,
    DatabaseSettings,
    Settings,
    SettingsError,
    TlsFiles,
    TlsSettings,
    describe,
    load,
    setting,
)


@dataclass(frozen=True)
class Everything(Settings):
    """One field of each kind."""

    name: str = setting("a name")
    count: int = setting("a count", default=3)
    share: float = setting("a share", default=0.5)
    fee: Decimal = setting("a fee", default=Decimal("0.01"))
    strict: bool = setting("strict or not", default=True)
    file: Path | None = setting("a file", default=None)
    address: Address = setting("an address", default=Address("127.0.0.1", 80))
    symbols: tuple[str, ...] = setting("some symbols", default=())
    pause: timedelta = setting("a pause", default=timedelta(seconds=1.5))


def test_values_are_read_by_their_type(tmp_path: Path) -> None:
    environment = {
        "HUB_NAME": "x",
        "HUB_COUNT": "7",
        "HUB_SHARE": "0.25",
        "HUB_FEE": "0.10",
        "HUB_STRICT": "No",
        "HUB_FILE": str(tmp_path),
        "HUB_ADDRESS": "[::1]:8080",
        "HUB_SYMBOLS": "AAPL, MSFT,",
        "HUB_PAUSE": "0.5",
        "HUB_SOMEONE_ELSES": "is left alone",
    }
    assert load(Everything, environment) == Everything(
        name="x",
        count=7,
        share=0.25,
        fee=Decimal("0.10"),
        strict=False,
        file=tmp_path,
        address=Address("::1", 8080),
        symbols=("AAPL", "MSFT"),
        pause=timedelta(seconds=0.5),
    )


def test_what_is_not_set_or_empty_has_its_default() -> None:
    assert load(Everything, {"HUB_NAME": "x", "HUB_COUNT": " "}) == Everything(name="x")


@pytest.mark.parametrize(
    ("variable", "text", "fault"),
    [
        ("NAME", "", "is required (a name)"),
        ("COUNT", "3.5", "must be a whole number"),
        ("SHARE", "nan", "must be a number"),
        ("SHARE", "inf", "must be a number"),
        ("FEE", "1,5", "must be a decimal number"),
        ("FEE", "NaN", "must be a decimal number"),
        ("STRICT", "maybe", "must be true or false"),
        ("FILE", "/nowhere/at/all", "there is nothing at /nowhere/at/all"),
        ("ADDRESS", "8080", "must be host:port"),
        ("ADDRESS", "here:http", "must be host:port"),
        ("ADDRESS", "here:65536", "must be host:port"),
        ("PAUSE", "-1", "must be a number of seconds, not negative"),
        ("PAUSE", "1e300", "must be a number of seconds"),
    ],
)
def test_a_fault_names_the_variable_and_what_is_wrong(variable: str, text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(Everything, {"HUB_NAME": "x", f"HUB_{variable}": text})
    assert error.value.faults == [f"HUB_{variable}: {fault}"]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load(Everything, {"HUB_COUNT": "x", "HUB_SHARE": "y"})
    assert [fault.split(":")[0] for fault in error.value.faults] == ["HUB_NAME", "HUB_COUNT", "HUB_SHARE"]


def test_the_description_has_every_variable_with_default_and_meaning() -> None:
    lines = [line.split(maxsplit=2) for line in describe(Everything).splitlines()]
    assert ["HUB_NAME", "required", "a name"] in lines
    assert ["HUB_FEE", "0.01", "a fee"] in lines
    assert ["HUB_STRICT", "true", "strict or not"] in lines
    assert ["HUB_FILE", "-", "a file"] in lines
    assert ["HUB_ADDRESS", "127.0.0.1:80", "an address"] in lines
    assert ["HUB_PAUSE", "1.5", "a pause"] in lines


def test_bases_combine_and_secrets_come_from_files(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Service(TlsSettings, DatabaseSettings):
        """Two bases."""

    files = {}
    for name in ("ca", "cert", "key", "password"):
        files[name] = tmp_path / name
        files[name].write_text(f"the {name}\n")
    environment: dict[str, Any] = {
        "HUB_TLS_CA": str(files["ca"]),
        "HUB_TLS_CERT": str(files["cert"]),
        "HUB_TLS_KEY": str(files["key"]),
        "HUB_DATABASE_URL": "postgresql://hub@127.0.0.1/hub",
        "HUB_DATABASE_PASSWORD_FILE": str(files["password"]),
    }
    settings = load(Service, environment)
    assert settings.tls == TlsFiles(ca=files["ca"], cert=files["cert"], key=files["key"])
    assert settings.database_password == "the password"
    assert settings.database_pool_size == 10


def test_a_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    environment = {"HUB_DATABASE_URL": "mysql://x", "HUB_DATABASE_PASSWORD_FILE": str(tmp_path)}
    with pytest.raises(SettingsError, match="HUB_DATABASE_URL: must be a URL that starts with postgresql://"):
        load(DatabaseSettings, environment)
