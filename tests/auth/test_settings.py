"""A wrong secret stops the process at its start; half an administrator, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub_auth.settings import AuthSettings
from hub_runtime import SettingsError, load


@pytest.mark.parametrize("content", ["", "secret", "00" * 31, "00" * 33, "zz" * 32])
def test_a_signing_secret_that_is_not_32_bytes_is_a_fault_of_its_variable(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    with pytest.raises(SettingsError) as refused:
        load(AuthSettings, {"HUB_SIGNING_SECRET_FILE": str(file)})
    faults = [fault for fault in refused.value.faults if fault.startswith("HUB_SIGNING_SECRET_FILE: must be")]
    assert len(faults) == 1
    assert content == "" or content not in faults[0]


def test_a_missing_secret_file_is_a_fault_of_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(AuthSettings, {"HUB_SIGNING_SECRET_FILE": str(tmp_path / "none")})
    assert any(fault.startswith("HUB_SIGNING_SECRET_FILE: must be") for fault in refused.value.faults)


@pytest.mark.parametrize("told", ["HUB_ADMIN_EMAIL", "HUB_ADMIN_PASSWORD_FILE"])
def test_half_an_administrator_is_a_fault_of_the_other_variable(tmp_path: Path, told: str) -> None:
    password = tmp_path / "password"
    password.write_text("a pony in the attic\n")
    both = {"HUB_ADMIN_EMAIL": "root@example.com", "HUB_ADMIN_PASSWORD_FILE": str(password)}
    others = _required(tmp_path)
    assert load(AuthSettings, others).first_admin is None
    assert load(AuthSettings, others | both).first_admin == ("root@example.com", "a pony in the attic")
    with pytest.raises(SettingsError) as refused:
        load(AuthSettings, others | {told: both[told]})
    [missing] = set(both) - {told}
    assert refused.value.faults == [f"{missing}: is required with {told}"]


def _required(folder: Path) -> dict[str, str]:
    secret = folder / "secret"
    secret.write_text("00" * 32)
    addresses = {"HUB_ADMIN_ADDRESS": "127.0.0.1:1", "HUB_GRPC_ADDRESS": "127.0.0.1:2"}
    files = ("TLS_CA", "TLS_CERT", "TLS_KEY", "DATABASE_PASSWORD_FILE", "SIGNING_SECRET_FILE")
    return {
        **addresses,
        **{f"HUB_{name}": str(secret) for name in files},
        "HUB_DATABASE_URL": "postgresql://hub_auth@127.0.0.1:3/hub_auth",
    }
