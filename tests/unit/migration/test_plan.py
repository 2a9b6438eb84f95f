"""Plan of a migration: its file, and what the live table must have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import pytest

from migration import plan
from migration.table import live_checks
from migration.table.live_table import LiveColumn, LiveTable
from migration.table.migrated_table import IndexedColumn, MigratedColumn
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
)


def with_columns(*columns: LiveColumn, live: LiveTable = LIVE, **changes: Any) -> LiveTable:
    """Return *live* with other or more columns."""
    changed = {**live.columns, **{each.name: each for each in columns}}
    return replace(live, columns=changed, **changes)


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
    assert table.indexes == (IndexedColumn("email_index", "email"),)
    assert table.inexact == {"balance"}


OLD: dict[str, Any] = {
    "email": {
        "encrypted": {"context": ("tenant",), "index": {"rows": 100_000, "name": "users.old"}},
        "field": "users.email",
        "token": "email_2",
        "index": {"rows": 100_000, "normalise": "email", "column": "lookup_2"},
    }
}
SAME: dict[str, Any] = {"field": "users.email", "token": "email_2"}
TENANT = LiveColumn("tenant", "text", is_required=True)
TOKENS = with_columns(LiveColumn("email", "bytea"), LiveColumn("email_index", "bytea"), TENANT)


def old(**changes: Any) -> dict[str, Any]:
    """Return the columns of a plan that re-encrypts, whose old encryption is changed."""
    return {"email": {**OLD["email"], "encrypted": {**OLD["email"]["encrypted"], **changes}}}


def test_plan_that_reencrypts_names_old_and_new_columns() -> None:
    found = MigrationPlan.model_validate({**PLAN, "columns": OLD})
    assert found.new_columns == ("email_2", "lookup_2")
    assert found.old_columns == ("email", "email_index")
    assert found.old_values == "old tokens"
    table = plan.to_table(found, TOKENS)
    assert table.columns == (MigratedColumn("email", "email_2", ("id",), ("tenant",)),)
    assert table.old_indexes == (IndexedColumn("email_index", "email"),)
    assert table.read == ("id", "tenant", "email", "email_index", "email_2", "lookup_2")
    assert problems(TOKENS, columns=OLD) == []


def test_plan_of_plaintext_is_stored_as_before_there_were_others() -> None:
    stored = MigrationPlan.model_validate(PLAN).model_dump(mode="json")
    assert stored["columns"]["email"].keys() == {"field", "type", "token", "index"}
    plain = {**OLD, "phone": {"field": "users.phone"}}
    mixed = MigrationPlan.model_validate({**PLAN, "columns": plain})
    assert mixed.old_values == "plaintext and old tokens"


def test_plan_of_tokens_without_field_names_what_binds_them() -> None:
    constants = {"use": "email", "version": 2, "is_new": True}
    encrypted = {"has_field": False, "text": True, "context": (), "constants": constants}
    columns = {"email": {"encrypted": encrypted, **SAME}}
    found = MigrationPlan.model_validate({**PLAN, "columns": columns})
    (column,) = plan.to_table(found, LIVE).columns
    assert (column.old_context, column.has_text) == ((), True)
    assert column.old_constants == ("email", 2, True)
    assert problems(columns=columns) == []
    (found_problem,) = problems(TOKENS, columns=columns)
    assert found_problem == (
        "the column email is bytea, and has tokens as text (expected character varying, citext"
        " or text, or a plan without text)"
    )


def test_plan_of_old_tokens_is_stored_as_before_there_were_others() -> None:
    columns = {"email": {"encrypted": {"key": "old"}, **SAME}}
    stored = MigrationPlan.model_validate({**PLAN, "columns": columns}).model_dump(mode="json")
    before = {"field", "key", "context", "attributes", "data_keys", "index"}
    assert stored["columns"]["email"]["encrypted"].keys() == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"email": LiveColumn("email", "text")},
            "the column email is text, and has no text: true in the plan (expected bytea",
        ),
        ({"email_index": None}, "columns: the table has no column 'email_index'"),
        (
            {"email_index": LiveColumn("email_index", "text")},
            "the column email_index is text (expected bytea",
        ),
        ({"tenant": LiveColumn("tenant", "text")}, "the context tenant may be NULL"),
    ],
)
def test_table_without_the_old_tokens_of_the_plan_is_refused(
    changed: dict[str, LiveColumn | None], message: str
) -> None:
    columns = {**TOKENS.columns, **changed}
    live = replace(TOKENS, columns={name: each for name, each in columns.items() if each})
    (found,) = problems(live, columns=OLD)
    assert found.startswith(message)


def test_name_that_the_driver_misreads_is_a_problem() -> None:
    live = with_columns(LiveColumn("tax%by", "text"))
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
        (
            {"columns": old(context=["id"], key="piii")},
            15,
            "columns.email.encrypted.key needs the key 'piii', which gaara-store does not declare",
        ),
        (
            {"columns": old(context=["id"], key="audit")},
            15,
            "needs the key 'audit', with which gaara-store may not decrypt",
        ),
        (
            {"columns": old(context=["id"], index={"rows": 9, "column": "lookup_2"})},
            5,
            "columns names the column 'lookup_2' twice",
        ),
        (
            {"columns": old(context=["id"], index={"rows": 100_000})},
            5,
            "columns declares the index 'users.email' in two ways (expected a name of its own",
        ),
        (
            {"columns": old(context=["id"], has_field=False, field="users.mail")},
            15,
            "columns.email.encrypted.has_field is false beside a field (expected one of both",
        ),
        (
            {"columns": old(context=["id"], text=True, data_keys="data_keys")},
            16,
            "columns.email.encrypted.data_keys is set for a column of text (expected no table",
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


_INDEX: dict[str, Any] = {"rows": 9, "normalise": "email"}


@pytest.mark.parametrize(
    ("encrypted", "column", "parts"),
    [
        ({}, {}, {}),
        ({"field": "users.email", "key": "pii"}, {}, {"key": "pii"}),
        ({"data_keys": "data_keys"}, {}, {"data_keys": "data_keys"}),
        ({"context": ["tenant", "id"]}, {}, {"context": ["id", "tenant"]}),
        ({"attributes": {"id": "owner"}}, {}, {"attributes": {"id": "owner"}}),
        ({"index": _INDEX}, {"index": {**_INDEX, "name": "users.email", "column": "found"}}, {}),
    ],
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_plan_that_would_rewrite_tokens_for_nothing_is_refused(
    tmp_path: Path,
    encrypted: dict[str, Any],
    column: dict[str, Any],
    parts: dict[str, Any],
    *,
    is_declared: bool,
) -> None:
    columns = {"email": {"encrypted": encrypted, **SAME, **column}}
    with pytest.raises(DeclarationError) as caught:
        plan.read(write(tmp_path, columns=columns, **parts), load() if is_declared else None)
    (error,) = caught.value.errors
    assert (error.file, error.line) == (str(tmp_path / "users.yaml"), 7)
    assert error.text.startswith(
        "columns.email.encrypted is how the plan encrypts, so the table would be rewritten for"
        " nothing (expected another key, "
    )


@pytest.mark.parametrize(
    ("encrypted", "column", "parts"),
    [
        ({"field": "users.mail"}, {}, {}),
        ({"key": "index"}, {}, {}),
        ({}, {}, {"data_keys": "data_keys"}),
        ({"data_keys": "old_keys"}, {}, {"data_keys": "data_keys"}),
        ({"context": ["id"]}, {}, {"context": ["id", "tenant"]}),
        ({"attributes": {}}, {}, {"attributes": {"id": "owner"}}),
        ({"index": {**_INDEX, "name": "old"}}, {"index": {**_INDEX, "column": "found"}}, {}),
        ({}, {"index": _INDEX}, {}),
        ({"index": _INDEX}, {}, {}),
        ({"has_field": False}, {}, {}),
        ({"text": True}, {}, {}),
        ({"context": []}, {}, {}),
        ({"constants": {"use": "email"}}, {}, {}),
    ],
)
def test_plan_that_differs_in_one_respect_is_read(
    tmp_path: Path, encrypted: dict[str, Any], column: dict[str, Any], parts: dict[str, Any]
) -> None:
    columns = {"email": {"encrypted": encrypted, **SAME, **column}}
    found = plan.read(write(tmp_path, columns=columns, **parts), load())
    assert found.old_values == "old tokens"


def test_context_that_is_the_key_is_no_other_one() -> None:
    columns = {"email": {"encrypted": {"context": ("id",)}, **SAME}}
    (found,) = problems(TOKENS, columns=columns)
    assert found.startswith("the column email is encrypted as the plan encrypts")


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
    ],
)
def test_unsuitable_table_is_refused(changed: dict[str, Any], message: str) -> None:
    (found,) = problems(replace(LIVE, **changed))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (LiveColumn("id", "real", is_required=True), "the key id is real (expected bigint"),
        (LiveColumn("email_token", "bytea"), "the table has a column email_token already"),
    ],
)
def test_unsuitable_column_is_refused(column: LiveColumn, message: str) -> None:
    (found,) = problems(with_columns(column))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"context": ("email_domain", "id")}, "the context email_domain may be NULL"),
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
    live = with_columns(LiveColumn("tier", "shop.tier", is_required=True))
    (found,) = problems(live, context=("id", "tier"))
    assert found.startswith("the context tier is shop.tier (expected ")


@pytest.mark.parametrize("type_", ["date", "timestamp with time zone", "numeric(9,0)"])
def test_column_that_no_token_can_be_bound_to_is_refused(type_: LiteralString) -> None:
    day = LiveColumn("day", type_, is_required=True)
    plain, tokens = (
        with_columns(day, live=live, key=("id", "day")) for live in (LIVE, DECRYPTABLE)
    )
    for live, parts in ((plain, {}), (plain, {"context": ("id", "day")}), (tokens, decrypting())):
        (found,) = problems(live, **parts)
        assert found.startswith(f"day is {type_}, to which no token can be bound (expected ")
    bound = {"context": ("id",), "index": {"rows": 100_000, "column": "email_index"}}
    assert not problems(tokens, **decrypting(encrypted=bound))


def test_context_without_the_key_is_refused() -> None:
    (found,) = problems(with_columns(TENANT), context=("tenant",))
    assert found.startswith("context has not the key's column id")


def decrypting(**parts: Any) -> dict[str, Any]:
    return {
        "columns": {
            "email_token": {
                "encrypted": {"index": {"rows": 100_000, "column": "email_index"}},
                "field": "users.email",
                "plaintext": "email_2",
                **parts,
            }
        }
    }


DECRYPTABLE = with_columns(LiveColumn("email_token", "bytea"), LiveColumn("email_index", "bytea"))


def test_plan_that_decrypts_needs_no_new_key(tmp_path: Path) -> None:
    found = plan.read(write(tmp_path, **decrypting(column_type="varchar(80)"), key="pii"), load())
    assert (found.is_decrypting, found.old_values, found.new_values) == (
        True,
        "old tokens",
        "plaintext",
    )
    table = plan.to_table(found, DECRYPTABLE)
    assert table.added == {"email_2": "varchar(80)", "email_2_token_hash": "bytea"}
    assert (table.old_columns, table.read) == (
        ("email_token", "email_index"),
        ("id", "email_token", "email_index", "email_2"),
    )
    assert not list(live_checks.find_problems(found, DECRYPTABLE))


@pytest.mark.parametrize(
    ("type_", "column_type", "expected"),
    [("str", None, "text"), ("Decimal", None, "numeric"), ("dict", "json", "json")],
)
def test_type_of_a_plaintext_column_is_named_or_that_of_the_field(
    type_: str, column_type: str | None, expected: str
) -> None:
    parts = decrypting(type=type_, **({"column_type": column_type} if column_type else {}))
    table = plan.to_table(MigrationPlan.model_validate({**PLAN, **parts}), DECRYPTABLE)
    assert table.added["email_2"] == expected


def test_key_of_tokens_that_are_decrypted_must_be_declared(tmp_path: Path) -> None:
    parts = decrypting(encrypted={"key": "unknown"})
    with pytest.raises(DeclarationError, match="needs the key 'unknown'"):
        plan.read(write(tmp_path, **parts), load())


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"encrypted": None}, "to be decrypted .expected encrypted"),
        ({"token": "email_3"}, "to be decrypted and encrypted"),
        ({"index": {"rows": 5}}, "to be decrypted and encrypted"),
        ({"plaintext": None, "column_type": "text"}, "with a type of plaintext"),
        ({"plaintext": "email_token"}, "names the column 'email_token' twice"),
        ({"column_type": "text; DROP TABLE users"}, "a type of PostgreSQL"),
        ({"column_type": "varchar(0)"}, "a type of PostgreSQL"),
        ({"column_type": "integer[]"}, "a type of PostgreSQL"),
        ({"column_type": "interval"}, "a type of PostgreSQL"),
        ({"column_type": "time"}, "a type of PostgreSQL"),
    ],
)
def test_plan_that_decrypts_is_checked(tmp_path: Path, parts: dict[str, Any], reason: str) -> None:
    columns = decrypting(**parts)["columns"]["email_token"]
    given = {name: value for name, value in columns.items() if value is not None}
    with pytest.raises(DeclarationError, match=reason):
        plan.read(write(tmp_path, columns={"email_token": given}), load())


def test_plan_encrypts_or_decrypts(tmp_path: Path) -> None:
    columns = {**decrypting()["columns"], "phone": {"field": "users.phone"}}
    with pytest.raises(DeclarationError, match="encrypts some columns and decrypts others"):
        plan.read(write(tmp_path, columns=columns), load())


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"column_type": "integer"}, "email_2 would be integer, but the field of email_token is"),
        ({"plaintext": "balance"}, "the table has a column balance already"),
        ({"plaintext": "x" * 60}, "has more than 63 bytes"),
    ],
)
def test_plaintext_column_must_fit_the_table(parts: dict[str, Any], reason: str) -> None:
    (problem,) = problems(DECRYPTABLE, **decrypting(**parts))
    assert reason in problem
