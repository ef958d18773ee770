"""Yesterday's code runs on today's schema; which code is yesterday's is found in the history."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.yesterday import CHECKOUT, NoYesterdayError, export, find_yesterday, run_yesterday

FOLDER = "services/order/hub_order/migrations"


def git(checkout: Path, *words: str) -> str:
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@hub.example")
    command = ["git", "-C", str(checkout), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def commit(checkout: Path, *names: str) -> str:
    for name in names:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("-- nothing\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", " ".join(names))
    return git(checkout, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_it_is_the_last_commit_before_the_newest_migration(checkout: Path) -> None:
    commit(checkout, f"{FOLDER}/0001_orders.sql")
    yesterday = commit(checkout, "README.md")
    commit(checkout, f"{FOLDER}/0002_more.sql")
    commit(checkout, "LICENSE")
    assert find_yesterday(checkout) == yesterday


def test_it_is_the_head_while_a_migration_is_not_committed(checkout: Path) -> None:
    head = commit(checkout, f"{FOLDER}/0001_orders.sql")
    (checkout / FOLDER / "0002_more.sql").write_text("-- nothing\n")
    assert find_yesterday(checkout) == head


def test_it_is_before_a_migration_that_was_changed_since(checkout: Path) -> None:
    yesterday = commit(checkout, f"{FOLDER}/0001_orders.sql")
    commit(checkout, f"{FOLDER}/0002_more.sql")
    (checkout / FOLDER / "0002_more.sql").write_text("-- something\n")
    commit(checkout, "services/position/hub_position/migrations/0001_books.sql")
    assert find_yesterday(checkout) == yesterday


def test_a_history_without_one_is_told(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(checkout, f"{FOLDER}/0001_orders.sql")
    with pytest.raises(NoYesterdayError, match="git fetch --unshallow"):
        find_yesterday(checkout)
    with pytest.raises(NoYesterdayError, match="has no history"):
        find_yesterday(tmp_path_factory.mktemp("bare"))


@pytest.mark.timeout(300)
async def test_its_demonstration_runs_to_its_end(folder_for_servers: Path) -> None:
    exported = folder_for_servers / "yesterday" / "exported"
    exported.mkdir(parents=True)
    export(CHECKOUT, find_yesterday(CHECKOUT), exported)
    assert await run_yesterday(exported, folder_for_servers / "yesterday" / "state") == "demo: OK"
