"""Inserts that name the values of columns that are GENERATED ALWAYS."""

from __future__ import annotations

import pytest

from app_integration.integrations.key_sequence import override_identity

MARK = " OVERRIDING SYSTEM VALUE"


@pytest.mark.parametrize(
    "columns",
    [
        "INSERT INTO users (id, name)",
        'INSERT INTO shop."Users (all)" AS u ("Key) (", name)',
        'INSERT INTO "a""b" ("c"") (""d", e)',
        "WITH old AS (SELECT f(1)) INSERT INTO users (id)",
    ],
)
@pytest.mark.parametrize(
    "rows", [" VALUES (1, 'INSERT INTO users (id)')", " SELECT * FROM UNNEST((%s)::int[])", ""]
)
def test_overriding_follows_the_columns(columns: str, rows: str) -> None:
    assert override_identity(columns + rows) == columns + MARK + rows


@pytest.mark.parametrize("statement", ["INSERT INTO users DEFAULT VALUES", "SELECT f(1)"])
def test_statement_without_columns_is_left_alone(statement: str) -> None:
    assert override_identity(statement) == statement
