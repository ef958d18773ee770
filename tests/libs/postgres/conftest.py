"""A pool on an empty database, and packages with migrations."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from hub_postgres import Pool, connect_pool
from tests.support.servers import Database


@pytest.fixture
async def pool(empty_database: Database) -> AsyncIterator[Pool]:
    """As the owner, so that a test can make its tables."""
    owner = empty_database.owner
    async with await connect_pool(owner.url, owner.password, 4, "tests") as made:
        yield made


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], str]:
    """`make_package({"0001_x.sql": "..."})` answers the name of a package with those migrations."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(files: Mapping[str, str]) -> str:
        name = f"migrated_{tmp_path.name}".replace("-", "_")
        folder = tmp_path / name / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        for old in folder.iterdir():
            old.unlink()
        for file, text in files.items():
            (folder / file).write_text(text)
        sys.modules.pop(name, None)
        return name

    return make
