"""What may be asked: one statement that reads, with every reading of ``sessions`` bound to tenants that it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.query.statement import names_in, question
from nexus.errors import RequestRejected


@pytest.mark.parametrize(
    ("text", "tables", "tenants"),
    [
        ("SELECT 1", set(), set()),
        ("SELECT count(*) FROM sessions WHERE tenant_id = 'acme'", {"sessions"}, {"acme"}),
        ("select * from SESSIONS s WHERE tenant_id = 'acme';", {"sessions"}, {"acme"}),
        ("SELECT * FROM sessions WHERE 'acme' = tenant_id AND (dt > '2026-11-01' AND NOT test)", {"sessions"}, {"acme"}),
        ("SELECT * FROM sessions WHERE tenant_id IN ('acme', 'acme2')", {"sessions"}, {"acme", "acme2"}),
        ("WITH x AS (SELECT * FROM sessions WHERE tenant_id = 'acme') SELECT * FROM x JOIN x AS y ON true", {"sessions"}, {"acme"}),
        (
            "SELECT 1 FROM sessions WHERE tenant_id = 'acme' UNION ALL SELECT 2 FROM sessions WHERE tenant_id = 'acme2'",
            {"sessions"},
            {"acme", "acme2"},
        ),
        ("SELECT * FROM sessions_all", {"sessions_all"}, set()),
        ("SELECT * FROM sessions a, sessions b WHERE a.tenant_id = 'acme' AND b.tenant_id = 'acme'", {"sessions"}, {"acme"}),
    ],
)
def test_tables_and_tenants_are_known(text: str, tables: set[str], tenants: set[str]) -> None:
    asked = question(text, {})
    assert (asked.tables, asked.tenants) == (tables, tenants)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM sessions",
        "SELECT * FROM sessions WHERE tenant_id = 'acme' OR true",
        "SELECT * FROM sessions WHERE tenant_id <> 'acme'",
        "SELECT * FROM sessions WHERE tenant_id LIKE 'acme%'",
        "SELECT * FROM sessions WHERE tenant_id = lower('ACME')",
        "SELECT * FROM sessions WHERE tenant_id IN (SELECT tenant_id FROM sessions_all)",
        "SELECT * FROM sessions WHERE NOT tenant_id = 'acme'",
        "SELECT (SELECT count(*) FROM sessions) FROM sessions WHERE tenant_id = 'acme'",
        "SELECT * FROM sessions a, sessions b WHERE a.tenant_id = 'acme'",
        "SELECT * FROM sessions a, sessions b WHERE tenant_id = 'acme'",
        "SELECT * FROM sessions_all WHERE tenant_id = 'acme' AND call_id IN (SELECT call_id FROM sessions)",
        "SELECT * FROM sessions WHERE tenant_id = 'acme' UNION SELECT * FROM sessions",
    ],
)
def test_a_reading_that_names_no_tenant_is_refused_in_athenas_words(text: str) -> None:
    with pytest.raises(
        RequestRejected, match=r"CONSTRAINT_VIOLATION: .* WHERE clause must contain only static equality.*Write WHERE tenant_id"
    ):
        question(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DROP TABLE sessions",
        "INSERT INTO sessions SELECT 1",
        "CREATE TABLE a AS SELECT 1",
        "UNLOAD (SELECT 1) TO 's3://somewhere/'",
        "COPY sessions TO '/tmp/x'",
        "ATTACH '/tmp/x'",
        "SET enable_external_access = true",
        "PRAGMA version",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1 INTO x",
        "WITH x AS (DELETE FROM sessions RETURNING *) SELECT * FROM x",
        "MSCK REPAIR TABLE sessions",
    ],
)
def test_whatever_is_no_single_select_is_refused(text: str) -> None:
    with pytest.raises(RequestRejected, match=r"One SELECT|no SQL of Athena"):
        question(text, {})


def test_a_slip_is_told_with_its_place() -> None:
    with pytest.raises(RequestRejected, match="no SQL of Athena: line 2, column"):
        question("SELECT a\nFROM WHERE", {})


def test_a_name_that_is_no_tenant_is_refused() -> None:
    with pytest.raises(RequestRejected, match="A tenant id has"):
        question("SELECT * FROM sessions WHERE tenant_id = '../acme2'", {})


def test_values_are_filled_in_and_texts_that_look_like_them_stay() -> None:
    text = "SELECT ':zone', x::bigint FROM (SELECT 1 AS x) -- :since\nWHERE x = :n AND y = :none AND z = :zone"
    assert names_in(text) == ("n", "none", "zone")
    filled = question(text, {"n": 2.5, "none": None, "zone": "O'Higgins"}).text
    assert filled.endswith("WHERE x = 2.5 AND y = NULL AND z = 'O''Higgins'")
    assert filled.startswith("SELECT ':zone', x::bigint")


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(RequestRejected, match=r"waits for :since; say --set since="):
        question("SELECT :since", {})


@given(st.text(max_size=30))
def test_no_value_gets_out_of_its_quotes(value: str) -> None:
    asked = question("SELECT count(*) FROM sessions WHERE tenant_id = 'acme' AND engine = :engine", {"engine": value})
    assert asked.tenants == {"acme"}
    assert asked.text.endswith("'" + value.replace("'", "''") + "'")
