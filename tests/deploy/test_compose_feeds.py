"""The feed can be chosen in containers: each is given what it needs, and only that."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hub_market_data.settings import FeedSettings
from hub_runtime import load
from tests.deploy.code import service
from tests.deploy.test_compose import ROOT, Container, read

READERS = ("market-data", "migrate-market-data")
ALPACA = {
    "HUB_ALPACA_KEY_ID": "PKEXAMPLE",
    "HUB_ALPACA_SECRET_FILE": "/somewhere/secrets/alpaca",
    "HUB_ALPACA_SYMBOLS": "AAPL,MSFT",
}


def chosen(*more: str, **environment: str) -> dict[str, Any]:
    found = read({"SECRETS_FOLDER": "/somewhere", **environment}, *more)
    assert found.returncode == 0, found.stderr
    project: dict[str, Any] = json.loads(found.stdout)
    return project


def settings(project: dict[str, Any], name: str, folder: Path, **elsewhere: str) -> FeedSettings:
    """As its code reads what it is given. Raises SettingsError for what it would refuse."""
    container = Container(name, project["services"][name])
    code = service(container.service)
    assert set(container.environment) <= set(code.variables)
    file = folder / "secret"
    file.write_text("00" * 32)
    given = {
        variable: str(file) if value.startswith("/run/hub/") else value
        for variable, value in container.environment.items()
    }
    found = load(code.settings, given | elsewhere)
    assert isinstance(found, FeedSettings)
    found.require_feed()
    return found


@pytest.mark.parametrize("name", READERS)
def test_without_a_word_the_replay_is_played(name: str, tmp_path: Path) -> None:
    found = settings(chosen(), name, tmp_path)
    assert (found.feed, found.feed_speed, found.feed_seed, found.feed_stall_s) == ("replay", 10.0, 1, 30.0)


@pytest.mark.parametrize("name", READERS)
def test_random_needs_only_its_variables(name: str, tmp_path: Path) -> None:
    project = chosen(HUB_FEED="random", HUB_FEED_SYMBOLS="7", HUB_FEED_RATE="50", HUB_FEED_SEED="3")
    found = settings(project, name, tmp_path)
    assert (found.feed, found.feed_symbols, found.feed_rate, found.feed_seed) == ("random", 7, 50.0, 3)


@pytest.mark.parametrize("name", READERS)
def test_lean_plays_the_folder_that_was_chosen_and_cannot_write_in_it(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    more = {"HUB_FEED_SPEED": "60", "HUB_FEED_START": "2013-10-07", "HUB_FEED_RESOLUTION": "second"}
    project = chosen("deploy/feeds/lean.yml", HUB_FEED_DATA=str(data), **more)
    [volume] = project["services"][name]["volumes"]
    assert (volume["type"], volume["source"], volume["read_only"]) == ("bind", str(data), True)
    assert not volume["bind"].get("create_host_path", False), "a folder with a typing error is told of"
    assert project["services"][name]["environment"]["HUB_FEED_DATA"] == volume["target"]
    found = settings(project, name, tmp_path, HUB_FEED_DATA=str(data))
    assert (found.feed, found.feed_speed, found.feed_resolution) == ("lean", 60.0, "second")
    assert found.feed_start is not None


@pytest.mark.parametrize("name", READERS)
def test_alpaca_is_given_its_secret_as_a_file(name: str, tmp_path: Path) -> None:
    project = chosen("deploy/feeds/alpaca.yml", **ALPACA)
    container = Container(name, project["services"][name])
    assert container.secrets[container.environment["HUB_ALPACA_SECRET_FILE"]] == "alpaca"
    assert project["secrets"]["alpaca"]["file"] == ALPACA["HUB_ALPACA_SECRET_FILE"]
    found = settings(project, name, tmp_path)
    assert (found.feed, found.alpaca_key_id, found.alpaca_symbols) == (
        "alpaca",
        "PKEXAMPLE",
        ("AAPL", "MSFT"),
    )
    assert found.alpaca_url.startswith("wss://")


def test_only_with_alpaca_market_data_has_a_way_out_and_nobody_gets_in_by_it() -> None:
    project = chosen("deploy/feeds/alpaca.yml", **ALPACA)
    assert set(project["services"]["market-data"]["networks"]) == {"inside", "outward"}
    assert not project["networks"]["outward"].get("internal", False)
    users = {name for name, each in project["services"].items() if "outward" in each["networks"]}
    assert users == {"market-data"}
    assert "ports" not in project["services"]["market-data"]
    assert set(chosen()["services"]["market-data"]["networks"]) == {"inside"}


@pytest.mark.parametrize(
    ("feed", "missing"),
    [
        ("lean", "which folder is the lean feed to play"),
        ("alpaca", "which symbols|your Alpaca key"),
    ],
)
def test_what_a_feed_lacks_is_said_before_anything_starts(feed: str, missing: str) -> None:
    found = read({"SECRETS_FOLDER": "/somewhere"}, f"deploy/feeds/{feed}.yml")
    assert found.returncode != 0
    assert re.search(missing, found.stderr)


def test_a_feed_can_have_a_system_of_its_own_beside_the_others() -> None:
    assert chosen()["name"] == "hub-investments"
    assert chosen(COMPOSE_PROJECT_NAME="hub-lean")["name"] == "hub-lean"


def test_make_takes_the_file_of_a_feed_along() -> None:
    text = (ROOT / "Makefile").read_text()
    assert "$(wildcard deploy/feeds/$(FEED).yml)" in text
    assert {each.stem for each in (ROOT / "deploy/feeds").iterdir()} == {"lean", "alpaca"}
