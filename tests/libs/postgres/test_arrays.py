"""Rows that travel as one text for each column arrive as they were."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub_postgres import Uuid, array_parameters, array_text, column_arrays, connect_pool
from tests.support.servers import Database

KINDS = ("text", "numeric", "bytea", "bigint", "boolean", "timestamptz", "date", "uuid", "jsonb")
QUERY = f"SELECT * FROM unnest({array_parameters(KINDS)})"
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TIMES = st.datetimes(timezones=st.just(UTC))
ROWS = st.tuples(
    st.none()
    | TEXTS
    | st.sampled_from(["NULL", "", " ", "a,b", "{}", '"', "\\", "\\\\n", '\\"', "\n", "\\\n", "\x7f"]),
    st.none()
    | st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12),
    st.none() | st.binary(),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | TIMES,
    st.none() | st.dates(),
    st.none() | st.uuids(),
    st.none() | st.sampled_from(['{"a": "b\\\\\\"c"}', "[]", "null"]),
)


class Side(StrEnum):
    BUY = "BUY"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=8))
async def test_every_value_arrives(empty_database: Database, rows: list[tuple[object, ...]]) -> None:
    async with await connect_pool(empty_database.dsn) as pool:
        found = await pool.fetch(QUERY, *column_arrays(rows))
    assert [tuple(row.values()) for row in found] == rows


def test_ids_of_both_kinds_and_enumerations_are_written_as_what_they_are() -> None:
    known = uuid4()
    assert array_text([known, Uuid(str(known)), None]) == f'{{"{known}","{known}",null}}'
    assert array_text([Side.BUY, True, 1, Decimal("1.50")]) == '{"BUY",true,1,"1.50"}'
    assert array_text([datetime(2026, 1, 2, 3, 4, 5, 6, UTC), date(2026, 1, 2)]) == (
        '{"2026-01-02T03:04:05.000006Z","2026-01-02"}'
    )


def test_what_must_be_escaped_is_escaped_as_postgresql_reads_it() -> None:
    assert array_text(["a\nb", 'say "a"', None, b"\0"]) == '{"a\nb","say \\"a\\"",null,"\\\\x00"}'
    assert array_text(['say "a"', "\\n", "\\\\"]) == '{"say \\"a\\"","\\\\n","\\\\\\\\"}'
    assert array_text([]) == "{}"


def test_what_nobody_knows_to_write_is_refused() -> None:
    with pytest.raises(TypeError, match="float cannot be"):
        array_text([1.5])
