"""Plan of a migration: its file, and what the live table must have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migration import plan
from migration.table import live_checks
from migration.table.live_table import LiveColumn, LiveTable
from migration.table.migrated_table import IndexedColumns, MigratedColumn
from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.declare.schema.migration import MigrationPlan

PLAN: dict[str, Any] = {
    "migration": "user_contacts",
    "service": "gaara-store",
    "table": "shop.users",
    "columns": {"email": {"field": "users.email", "index": {"rows": 100_000}}},
}
LIVE = LiveTable(
    {
        each.name: each
        for each in (
            LiveColumn("id", "uuid", is_required=True),
            LiveColumn("email", "character varying(80)"),
            LiveColumn("balance", "numeric(12,2)"),
            LiveColumn("email_domain", "text", is_generated=True),
        )
    },
    ("id",),
    {},
)


def write(folder: Path, **parts: Any) -> Path:
    path = folder / "users.yaml"
    path.write_text(json.dumps({**PLAN, **parts}, indent=1), "utf-8")
    return path


def problems(live: LiveTable = LIVE, **parts: Any) -> list[str]:
    return list(live_checks.find_problems(MigrationPlan.model_validate({**PLAN, **parts}), live))


def test_plan_names_new_columns_by_the_old_ones(tmp_path: Path) -> None:
    found = plan.read(write(tmp_path), load())
    assert found.new_columns == ("email_token", "email_index")
    table = plan.to_table(found, LIVE)
    assert (table.schema, table.name, table.key) == ("shop", "users", ("id",))
    assert table.columns == (MigratedColumn("email", "email_token", ("id",)),)
    assert table.indexes == (IndexedColumns("email_index", ("email",)),)
    assert table.inexact == {"balance"}


def test_name_that_the_driver_misreads_is_a_problem() -> None:
    live = replace(LIVE, columns={**LIVE.columns, "tax%by": LiveColumn("tax%by", "text")})
    columns = {"tax%by": {"field": "users.tax", "token": "tax_token"}}
    (found,) = problems(live, columns=columns)
    assert "tax%by has a %" in found


@pytest.mark.parametrize(
    ("parts", "line", "message"),
    [
        ({"service": "gara-store"}, 3, "service is the unknown service 'gara-store'"),
        (
            {"key": "pi"},
            13,
            "key needs the key 'pi', which gaara-store does not declare (expected audit, index",
        ),
        ({"table": 'us"ers'}, 4, "table is 'us\"ers' (expected a table such as users"),
        ({"columns": {}}, 5, "columns"),
        ({"migration": "a" * 41}, 2, "migration is"),
        ({"context": ["id", "id"]}, 13, "context contains 'id' twice"),
        (
            {"columns": {"email": {"field": "a", "token": "email"}}},
            5,
            "columns names the column 'email' twice (expected each column once",
        ),
    ],
)
def test_invalid_plan_is_refused_with_its_line(
    tmp_path: Path, parts: dict[str, Any], line: int, message: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        plan.read(write(tmp_path, **parts), load())
    (error,) = caught.value.errors
    assert (error.line, message in error.text) == (line, True), str(error)


def test_live_table_as_planned_has_no_problem() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "v"}, "shop.users is not a table"),
        ({"is_logged": False}, "shop.users is unlogged or temporary"),
        ({"is_inherited": True}, "shop.users is a partition or part of an inheritance tree"),
        ({"forces_row_security": True}, "shop.users forces row security"),
        ({"is_owned": False}, "this user is not an owner of shop.users"),
        ({"key": ()}, "shop.users has no primary key"),
        (
            {"columns": {**LIVE.columns, "id": LiveColumn("id", "real", is_required=True)}},
            "the key id is real (expected bigint",
        ),
        (
            {"columns": {**LIVE.columns, "email_token": LiveColumn("email_token", "bytea")}},
            "the table has a column email_token already",
        ),
    ],
)
def test_unsuitable_table_is_refused(changed: dict[str, Any], message: str) -> None:
    (found,) = problems(replace(LIVE, **changed))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"context": ("balance", "id")}, "the context balance may be NULL"),
        ({"context": ("emial", "id")}, "context: the table has no column 'emial' (expected"),
        ({"columns": {"emial": {"field": "f"}}}, "columns: the table has no column 'emial'"),
        (
            {"columns": {"balance": {"field": "f"}}},
            "the column balance is numeric(12,2), but its field is str",
        ),
        (
            {"columns": {"email_domain": {"field": "f"}}},
            "the column email_domain is generated from others",
        ),
    ],
)
def test_plan_that_does_not_fit_the_table_is_refused(parts: dict[str, Any], message: str) -> None:
    (found,) = problems(**parts)
    assert found.startswith(message)


def test_context_that_the_driver_reads_as_bytes_is_refused() -> None:
    tier = LiveColumn("tier", "shop.tier", is_required=True)
    live = replace(LIVE, columns={**LIVE.columns, "tier": tier})
    (found,) = problems(live, context=("id", "tier"))
    assert found.startswith("the context tier is shop.tier (expected ")


def test_context_without_the_key_is_refused() -> None:
    live = replace(
        LIVE, columns={**LIVE.columns, "tenant": LiveColumn("tenant", "text", is_required=True)}
    )
    (found,) = problems(live, context=("tenant",))
    assert found.startswith("context has not the key's column id")
