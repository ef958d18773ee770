"""`make setup`: .venv is of the interpreter that was asked for, and stays with it until another is named."""

import os
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path("deploy/local/bootstrap.sh")
# Stands for an interpreter: is told what it answers, and only knows what the script asks.
PYTHON = """\
#!/bin/sh
case "$*" in
    *base_executable*) echo "{version} {path}"; exit {code} ;;
    "-c ") exit 0 ;;
    "-m pip "*) exit 0 ;;
    *) echo "the stand-in was asked: $*" >&2; exit 9 ;;
esac
"""
UV = """\
#!/bin/sh
set -e
case "$*" in
    --version) echo uv ;;
    venv*)
        while [ "$1" != --python ]; do shift; done
        mkdir -p .venv/bin
        cp "$(command -v "$2")" .venv/bin/python
        echo "version_info = $(.venv/bin/python -c base_executable | cut -d' ' -f1)" > .venv/pyvenv.cfg ;;
    *) echo "$*" >> calls ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """A folder with the script, and stand-ins for the interpreters and for uv."""

    folder: Path

    def python(self, version: str) -> str:
        """Puts one onto the path."""
        name = f"python{version.rpartition('.')[0]}"
        old = tuple(map(int, version.split("."))) < (3, 11)
        path = self.folder / "interpreters" / name
        _program(path, PYTHON.format(version=version, path=path, code=3 if old else 0))
        return name

    def default(self, name: str) -> None:
        """What python3 means."""
        link = self.folder / "interpreters/python3"
        link.unlink(missing_ok=True)
        link.symlink_to(name)

    def setup(self, python: str = "") -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'interpreters'}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", SCRIPT],
            check=False,
            cwd=self.folder,
            env={"PATH": path, "PYTHON": python},
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def version(self) -> str:
        return (self.folder / ".venv/pyvenv.cfg").read_text().split()[-1]


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / SCRIPT).parent.mkdir(parents=True)
    shutil.copy(ROOT / SCRIPT, tmp_path / SCRIPT)
    (tmp_path / "requirements").mkdir()
    for name in ("bootstrap", "dev"):
        (tmp_path / f"requirements/{name}.txt").touch()
    made = Checkout(tmp_path)
    tool = PYTHON.format(version="3.11.7", path=tmp_path / "interpreters/python3.11", code=0)
    _program(tmp_path / ".venv/bootstrap/bin/python", tool)
    _program(tmp_path / ".venv/bootstrap/bin/uv", UV)
    made.default(made.python("3.11.7"))
    made.python("3.13.0")
    return made


def test_the_first_time_it_is_of_python3(checkout: Checkout) -> None:
    done = checkout.setup()
    assert done.returncode == 0, done.stderr
    assert checkout.version == "3.11.7"
    assert "anew" not in done.stdout


def test_with_nothing_to_do_it_says_nothing(checkout: Checkout) -> None:
    checkout.setup()
    assert checkout.setup().stdout == ""
    assert checkout.setup("python3.11").stdout == "", "another name of the same interpreter"


def test_another_interpreter_makes_it_anew_and_says_so(checkout: Checkout) -> None:
    checkout.setup()
    left = checkout.folder / ".venv/lib/python3.11/site-packages"
    left.mkdir(parents=True)
    done = checkout.setup("python3.13")
    assert done.returncode == 0, done.stderr
    assert "making .venv anew with Python 3.13.0 (it was made with 3.11.7)" in done.stdout
    assert checkout.version == "3.13.0"
    assert not left.exists()


def test_who_names_none_stays_with_the_one_that_was_named(checkout: Checkout) -> None:
    checkout.setup("python3.13")
    assert checkout.setup().stdout == ""
    assert checkout.version == "3.13.0"
    (checkout.folder / "requirements/dev.txt").write_text("more\n")
    assert "installing the locked packages" in checkout.setup().stdout
    assert checkout.version == "3.13.0"


def test_an_interpreter_that_was_replaced_by_a_newer_one_makes_it_anew(checkout: Checkout) -> None:
    checkout.setup()
    checkout.python("3.11.8")
    shutil.copy(checkout.folder / "interpreters/python3.11", checkout.folder / ".venv/bin/python")
    assert "with Python 3.11.8 (it was made with 3.11.7)" in checkout.setup().stdout
    assert checkout.version == "3.11.8"


def test_an_interpreter_that_is_gone_is_replaced_by_python3(checkout: Checkout) -> None:
    checkout.setup("python3.13")
    (checkout.folder / ".venv/bin/python").unlink()
    assert "with Python 3.11.7 (it was made with 3.13.0)" in checkout.setup().stdout
    assert checkout.version == "3.11.7"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("python3.99", "no python3.99 found; install Python 3.11 or newer"),
        ("python3.9", "needs Python 3.11 or newer, python3.9 is 3.9.18"),
        ("false", "false does not run"),
    ],
)
def test_one_that_cannot_be_used_changes_nothing(checkout: Checkout, name: str, why: str) -> None:
    checkout.setup("python3.13")
    checkout.python("3.9.18")
    done = checkout.setup(name)
    assert done.returncode == 1
    assert why in done.stderr
    assert checkout.setup().stdout == ""
    assert checkout.version == "3.13.0"


@pytest.mark.parametrize("name", [".venv/bin/sleeper", "{}/.venv/bin/sleeper"])
def test_what_something_runs_from_is_not_made_anew(checkout: Checkout, name: str) -> None:
    checkout.setup()
    (checkout.folder / ".venv/bin/sleeper").symlink_to(shutil.which("sleep") or "sleep")
    with subprocess.Popen([name.format(checkout.folder), "60"], cwd=checkout.folder) as sleeper:
        done = checkout.setup("python3.13")
        sleeper.kill()
    assert done.returncode == 1
    assert f".venv is of Python 3.11.7 and in use (processes {sleeper.pid}); end them" in done.stderr
    assert checkout.version == "3.11.7"
    assert checkout.setup().stdout == "", "it is as it was"
