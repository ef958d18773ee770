"""Settings from a file: typed, beaten by the environment, and refused with a reason."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from hub_runtime import Address, Settings, SettingsError, load, one_of, setting


@dataclass(frozen=True)
class Everything(Settings):
    """One field of each kind."""

    name: str = setting("a name")
    level: str = setting("a level", default="low", parse=one_of("low", "high"))
    count: int = setting("a count", default=3)
    share: float = setting("a share", default=0.5)
    fee: Decimal = setting("a fee", default=Decimal("0.01"))
    strict: bool = setting("strict or not", default=True)
    file: Path | None = setting("a file", default=None)
    address: Address = setting("an address", default=Address("127.0.0.1", 80))
    symbols: tuple[str, ...] = setting("some symbols", default=())
    pause: timedelta = setting("a pause", default=timedelta(seconds=1.5))


def written(folder: Path, text: str) -> dict[str, str]:
    path = folder / "settings.toml"
    path.write_text(text)
    return {"HUB_SETTINGS_FILE": str(path)}


def faults(folder: Path, text: str, **variables: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(Everything, written(folder, text) | {"HUB_NAME": "x"} | variables)
    return [fault.replace(f"{folder}/", "") for fault in error.value.faults]


def test_values_are_read_by_their_type(tmp_path: Path) -> None:
    text = f"""
        name = "x"
        level = "high"
        count = 1_000
        share = 25e-2
        fee = 0.12345678901234567890
        strict = false
        file = "{tmp_path}"
        address = "[::1]:8080"
        symbols = ["AAPL", "MSFT"]
        pause = 2
    """
    assert load(Everything, written(tmp_path, text)) == Everything(
        name="x",
        level="high",
        count=1000,
        share=0.25,
        fee=Decimal("0.12345678901234567890"),
        strict=False,
        file=tmp_path,
        address=Address("::1", 8080),
        symbols=("AAPL", "MSFT"),
        pause=timedelta(seconds=2),
    )


def test_strings_are_read_like_variables(tmp_path: Path) -> None:
    text = 'name = "x"\ncount = "7"\nstrict = "off"\nsymbols = "AAPL, MSFT"\nfee = ""'
    expected = Everything(name="x", count=7, strict=False, symbols=("AAPL", "MSFT"))
    assert load(Everything, written(tmp_path, text)) == expected


def test_a_variable_comes_before_the_file_and_an_empty_one_does_not(tmp_path: Path) -> None:
    environment = written(tmp_path, 'name = "file"\ncount = 4\nshare = "not looked at"')
    found = load(Everything, environment | {"HUB_NAME": "mine", "HUB_COUNT": " ", "HUB_SHARE": "1"})
    assert found == Everything(name="mine", count=4, share=1.0)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("count = 3.5", "must be a whole number"),
        ("count = true", "must be a number"),
        ("count = 2026-01-02", "must be a number"),
        ("share = inf", "must be a number"),
        ("strict = 1", "must be a boolean"),
        ("level = 3", "must be a string"),
        ('level = "middle"', "must be one of low, high"),
        ('level = ["low"]', "must be a string"),
        ("symbols = [1, 2]", "must be a list of strings"),
        ("symbols = 1", "must be a list of strings"),
        ('symbols = ["AAPL,MSFT"]', "must be a list of strings without commas"),
        ('file = "/nowhere/at/all"', "there is nothing at /nowhere/at/all"),
        ("[pause]\nseconds = 1", "must be a number"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_and_key(tmp_path: Path, line: str, fault: str) -> None:
    key = line.strip("[").split()[0].strip("]")
    assert faults(tmp_path, line) == [f"settings.toml: {key}: {fault}"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("cuont", "; did you mean count?"),
        ("HUB_COUNT", "; did you mean count?"),
        ("Count", "; did you mean count?"),
        ("zzz", ""),
        ("settings_file", ""),
    ],
)
def test_an_unknown_key_is_refused(tmp_path: Path, key: str, hint: str) -> None:
    expected = f"settings.toml: {key}: is no setting of this process{hint}"
    assert faults(tmp_path, f'{key} = "a"') == [expected]


def test_an_unknown_key_is_refused_even_where_a_variable_says_it_all(tmp_path: Path) -> None:
    assert len(faults(tmp_path, "zzz = 1\nyyy = 2", HUB_COUNT="1")) == 2


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "zzz = 1\ncount = true", HUB_NAME="", HUB_SHARE="y")
    assert [fault.removeprefix("settings.toml: ").split(":")[0] for fault in found] == [
        "zzz",
        "HUB_NAME",
        "count",
        "HUB_SHARE",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"count 3", "is not TOML: Expected '=' after a key"),
        (b"count = 1\ncount = 2", "is not TOML: Cannot overwrite a value"),
        (b"name = '\xff'", "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        load(Everything, {"HUB_SETTINGS_FILE": str(path)})
    [line] = error.value.faults
    assert line.startswith(f"HUB_SETTINGS_FILE: {path} {fault}")
    assert "\n" not in line


@pytest.mark.parametrize(("name", "reason"), [("none.toml", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(Everything, {"HUB_SETTINGS_FILE": str(tmp_path / name)})
    [line] = error.value.faults
    assert line.startswith(f"HUB_SETTINGS_FILE: {tmp_path / name} cannot be read ({reason}")


def test_a_process_with_a_wrong_file_ends_with_2_and_one_line(tmp_path: Path) -> None:
    settings = written(tmp_path, 'admin_address = "127.0.0.1:0"\nshares = 3\nshraes = 4\n')
    ended = subprocess.run(
        [sys.executable, "-m", "tests.libs.runtime.program"],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    expected = (
        f"{settings['HUB_SETTINGS_FILE']}: shraes: is no setting of this process; did you mean shares?\n"
    )
    assert (ended.returncode, ended.stderr) == (2, expected)


def test_the_help_tells_of_the_file() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.libs.runtime.program", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "HUB_SETTINGS_FILE may name a TOML file" in ended.stdout
