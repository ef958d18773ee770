"""A wrong secret stops the process at its start."""

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
