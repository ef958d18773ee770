"""Each service has a page, and what the page says in tables is what the code says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from hub_events import TOPOLOGY
from tests.pages.facts import COMMON, FACTS, Facts, Setting, queue_of, settings_of
from tests.pages.markdown import ROOT, Section, anchors, links, quoted, sections
from tests.support.servers import Database

COMMON_PAGE = ROOT / "libs/runtime/README.md"
HEADINGS = ("What it owns", "Jobs", "RPCs", "Events", "Tables", "Settings", "How it fails")
FOLDERS = ("services", "gateway", "libs", "proto", "deploy", "k8s", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
_TABLES = """
    SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p') AND NOT relispartition
       AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
"""

every_service = pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)


def section(facts: Facts, heading: str) -> Section:
    [found] = [each for each in facts.sections if each.heading == heading]
    return found


def says_none(part: Section) -> bool:
    return part.text.startswith("None") and not part.tables


def rows(part: Section) -> list[Setting]:
    """Of tables of settings."""
    found = part.table("variable", "default", "meaning").rows
    return [Setting(*(cell.replace("`", "") for cell in row)) for row in found]


@every_service
def test_the_page_has_a_heading_for_what_one_asks(facts: Facts) -> None:
    headings = [part.heading.partition(" (")[0] for part in facts.sections]
    assert [heading for heading in HEADINGS if heading not in headings] == []
    assert all(part.text for part in facts.sections)


@every_service
def test_the_page_lists_the_jobs(facts: Facts) -> None:
    assert set(section(facts, "Jobs").table("job").column("job")) == facts.jobs


@every_service
def test_the_page_lists_every_rpc_with_its_callers(facts: Facts) -> None:
    parts = [part for part in facts.sections if part.heading.startswith("RPCs")]
    if not facts.rpcs:
        assert all(map(says_none, parts))
        return
    told = {}
    for part in parts:
        table = part.table("RPC", "callers")
        callers = [set(cell.split(", ")) for cell in table.column("callers")]
        [service] = quoted(part.heading)
        told[service] = dict(zip(table.column("RPC"), callers, strict=True))
    assert told == facts.rpcs


@every_service
def test_the_page_lists_every_event_and_where_it_comes_from_and_goes_to(facts: Facts) -> None:
    part = section(facts, "Events")
    if not facts.events_in | facts.events_out:
        assert says_none(part)
        return
    read, told = _events(facts, "in"), _events(facts, "out")
    assert {event for event, _ in read} == facts.events_in
    assert {event for event, _ in told} == facts.events_out
    assert {place for _, place in read} == facts.read_from
    assert {place for _, place in told} == facts.told_to


def test_what_one_page_reads_from_the_broker_another_tells_it() -> None:
    read = {event for facts in FACTS.values() for event in _events(facts, "in")}
    told = {event for facts in FACTS.values() for event in _events(facts, "out")}
    assert read == told
    queues = {queue_of(family, stage) for family in TOPOLOGY.families for stage in family.stages}
    fanouts = {family.status for family in TOPOLOGY.families if family.has_fanout}
    assert {place for _, place in read} == queues | fanouts


def _events(facts: Facts, direction: str) -> set[tuple[str, str]]:
    """Pairs of an event and one place that it comes from or goes to."""
    first, second = f"event {direction}", {"in": "from", "out": "to"}[direction]
    found = [table for table in section(facts, "Events").tables if table.columns[:2] == (first, second)]
    return {
        (event, place)
        for table in found
        for event, places in zip(table.column(first), table.column(second), strict=True)
        for place in quoted(places)
    }


@every_service
async def test_the_page_lists_the_tables_that_the_migrations_leave(
    facts: Facts, database: Callable[[str], Awaitable[Database]]
) -> None:
    part = section(facts, "Tables")
    if not facts.service.database:
        assert says_none(part)
        return
    made = await database(facts.service.package)
    connection = await asyncpg.connect(made.superuser.dsn, timeout=10)
    try:
        tables = {row["relname"] for row in await connection.fetch(_TABLES, timeout=10)}
    finally:
        await connection.close(timeout=5)
    assert {cell.strip("`") for cell in part.table("table").column("table")} == tables


@every_service
def test_the_page_lists_every_setting_with_its_default(facts: Facts) -> None:
    part = section(facts, "Settings")
    assert set(re.findall(rf"{COMMON_PAGE.parent.name}/README\.md#(\w+)", part.text)) == facts.common
    assert rows(part) == facts.own_settings


@pytest.mark.parametrize("group", COMMON)
def test_the_common_settings_are_listed_once(group: str) -> None:
    [part] = [part for part in sections(COMMON_PAGE) if part.heading == group]
    assert rows(part) == settings_of(COMMON[group])


def test_a_variable_that_a_page_names_exists() -> None:
    known = {each.variable for facts in FACTS.values() for each in settings_of(facts.settings_type)}
    for facts in FACTS.values():
        named = set(re.findall(r"\bHUB_[A-Z0-9_]+\b", facts.page.read_text()))
        assert named <= known, facts.page


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    """From the top of the repository; `<x>` and NNNN stand for any."""
    for path in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[^`\s]*)`", page.read_text()):
        assert list(ROOT.glob(re.sub(r"<[^>]+>|N{4}", "*", path).rstrip("/"))), path


@every_page
def test_a_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
