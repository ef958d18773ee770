"""Alerts and panels name metrics that exist, and every metric of the order path is on one of them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/observability"
KINDS = {"counter", "gauge", "histogram"}
# What Prometheus itself adds, and what a histogram's series have.
ALWAYS = {"job", "instance", "le"}
METRIC = re.compile(r"\bhub_[a-z_]+")
MATCHED = re.compile(r"(hub_[a-z_]+)\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
LABEL = re.compile(r"\{\{ *(?:\$labels\.)?([a-z_]+) *\}\}")


@cache
def metrics() -> dict[str, set[str]]:
    """Name and labels of each, as the code makes them."""
    found: dict[str, set[str]] = {}
    for folder in ("services", "libs", "gateway"):
        for file in (ROOT / folder).rglob("hub_*/**/*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in KINDS and len(node.args) > 1:
                    found |= dict.fromkeys(_series(node), _labels(node, file))
    return found


def _series(call: ast.Call) -> Iterator[str]:
    name = ast.literal_eval(call.args[0])
    yield name
    if ast.unparse(call.func) == "histogram":
        yield from (f"{name}_{part}" for part in ("bucket", "sum", "count"))


def _labels(call: ast.Call, file: Path) -> set[str]:
    if len(call.args) < 3:
        return set()
    try:
        return set(ast.literal_eval(call.args[2]))
    except ValueError:
        # They have a name of their own: the words of the file's tuples.
        tree = ast.parse(file.read_text(encoding="utf-8"))
        words = [each for node in ast.walk(tree) if isinstance(node, ast.Tuple) for each in node.elts]
        return {str(each.value) for each in words if isinstance(each, ast.Constant)}


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.rules.yml"))]
    return [rule for read in files for group in read["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    read = json.loads((FOLDER / "order-path.dashboard.json").read_text(encoding="utf-8"))
    panels: list[dict[str, Any]] = read["panels"]
    return panels


def expressions() -> Iterator[tuple[str, str]]:
    """Each with the text that shows its labels."""
    for rule in rules():
        yield rule["expr"], rule["annotations"]["summary"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


@pytest.mark.parametrize(("expression", "shown"), list(expressions()))
def test_an_expression_names_metrics_and_labels_that_the_code_makes(expression: str, shown: str) -> None:
    named = METRIC.findall(expression)
    assert named
    assert set(named) <= metrics().keys()
    for name, matchers in MATCHED.findall(expression):
        assert set(re.findall(r"([a-z_]+)[=!]", matchers)) <= metrics()[name] | ALWAYS
    labels = set().union(*(metrics()[name] for name in named)) | ALWAYS
    grouped = {label.strip() for group in GROUPED.findall(expression) for label in group.split(",")}
    assert grouped <= labels
    assert set(LABEL.findall(shown)) <= grouped


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_an_alert_says_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Hub")
    assert rule["labels"]["severity"] in {"critical", "warning"}
    for text in (rule["annotations"]["summary"], rule["annotations"]["action"]):
        assert text.strip().endswith(".")


def test_names_are_unique_and_panels_do_not_overlap() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len(set(places)) == len({panel["id"] for panel in panels()})


def test_every_metric_of_the_order_path_is_shown_or_watched() -> None:
    used = {name for expression, _ in expressions() for name in METRIC.findall(expression)}
    used |= {name.removesuffix(end) for name in used for end in ("_bucket", "_sum", "_count")}
    ours = {
        name
        for name in metrics()
        if name.startswith(("hub_order_", "hub_position_", "hub_events_"))
        and not name.endswith(("_bucket", "_sum", "_count"))
    }
    assert ours - used == set()
