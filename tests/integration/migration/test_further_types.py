"""Columns of types beside the common ones: kept exactly, or refused in the plan."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from app_integration.encryption.cipher import FieldCipher
from app_integration.errors import EncryptionError
from migration import plan as plans
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.rows.service_keys import TYPES
from migration.table import live_checks, live_table
from migration.table.live_table import LiveTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.models import cipher_parts
from vault.declare.schema.migration import MigrationPlan

pytestmark = pytest.mark.requires("embedded")

_TYPES: Final[LiteralString] = """
    CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', 'größe', '');
    CREATE DOMAIN year AS int CHECK (VALUE > 1800);
    CREATE DOMAIN address AS varchar(20) CHECK (VALUE LIKE '%@%');
    CREATE DOMAIN work_address AS address CHECK (VALUE NOT LIKE 'home%');
    CREATE DOMAIN given AS text NOT NULL;
    CREATE DOMAIN named AS text CHECK (VALUE IS NOT NULL);
"""


@dataclass(frozen=True)
class Kind:
    """A type of a column, that of its field, and texts of its values."""

    sql: LiteralString
    field: str
    values: st.SearchStrategy[Any]


def _text(size: int) -> st.SearchStrategy[str]:
    letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.text(letters, max_size=size)


def _lists(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | of, max_size=4)


_ADDRESSES: Final = st.ip_addresses().flatmap(
    lambda ip: st.integers(0, ip.max_prefixlen).map(lambda size: f"{ip}/{size}")
)
_LAST: Final = datetime(9999, 1, 1)  # noqa: DTZ001 (a time without zone)
KINDS: Final = {
    "mood": Kind("mood", "str", st.sampled_from(["sad", 'it\'s "fine"', "größe", ""])),
    "code": Kind("char(5)", "str", _text(5)),
    "seen": Kind("timestamp", "datetime", st.datetimes().map(str)),
    "rounded": Kind("timestamp(0)", "datetime", st.datetimes(max_value=_LAST).map(str)),
    "host": Kind("inet", "str", _ADDRESSES),
    "net": Kind(
        "cidr",
        "str",
        _ADDRESSES.map(lambda each: str(ipaddress.ip_network(each, strict=False))),
    ),
    "built": Kind("year", "int", st.integers(1801, 2**31 - 1)),
    "mail": Kind("work_address", "str", _text(9).map(lambda each: f"w{each}@")),
    "words": Kind("text[]", "list", _lists(_text(8))),
    "terms": Kind("varchar(8)[]", "list", _lists(_text(8))),
    "counts": Kind("bigint[]", "list", _lists(st.integers(-(2**63), 2**63 - 1))),
    "flags": Kind("boolean[]", "list", _lists(st.booleans())),
    "photo": Kind("bytea", "bytes", st.binary(max_size=9)),
}
_ROWS: Final = st.lists(
    st.fixed_dictionaries({name: st.none() | each.values for name, each in KINDS.items()}),
    min_size=1,
    max_size=8,
)


def _plan(**types: str) -> MigrationPlan:
    columns = {name: {"field": f"things.{name}", "type": each} for name, each in types.items()}
    return MigrationPlan.model_validate(
        {"migration": "things", "service": "shop", "table": "things", "columns": columns}
    )


_NAMES: Final = {"migration", "service"}
PLAN: Final = _plan(**{name: each.field for name, each in KINDS.items()})


@pytest.fixture(scope="module")
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(_TYPES)
        columns = SQL(", ").join(
            SQL("{} {}").format(Identifier(name), SQL(each.sql)) for name, each in KINDS.items()
        )
        connection.execute(SQL("CREATE TABLE things (id int PRIMARY KEY, {})").format(columns))
        problems = list(live_checks.find_problems(PLAN, _live(connection)))
        assert problems == []
        for name in KINDS:
            added = SQL("ALTER TABLE things ADD COLUMN {} bytea").format(
                Identifier(f"{name}_token")
            )
            connection.execute(added)
        yield connection


def _live(connection: Connection) -> LiveTable:
    return live_table.read(connection, "public", "things")


def _open(connection: Connection) -> tuple[RowStatements, RowCipher]:
    live = _live(connection)
    table = plans.to_table(PLAN, live)
    cipher = FieldCipher(cipher_parts.KeyService(), cipher_parts.STORE)
    fields = {
        name: cipher.field(f"things.{name}", ("id",), TYPES[each.field])
        for name, each in KINDS.items()
    }
    return RowStatements(table, live), RowCipher(table, fields, {})


def _insert(connection: Connection, number: int, values: dict[str, Any]) -> None:
    names = SQL(", ").join(map(Identifier, values))
    places = SQL(", ").join(SQL("%s::{}").format(SQL(KINDS[name].sql)) for name in values)
    statement = SQL("INSERT INTO things (id, {}) VALUES (%s, {})").format(names, places)
    connection.execute(statement, [number, *values.values()])


def _stored(connection: Connection) -> list[Any]:
    """Return the plaintexts as the server prints them."""
    names = SQL(", ").join(map(Identifier, KINDS))
    query = SQL("SELECT id, ROW({})::text FROM things ORDER BY id").format(names)
    return connection.execute(query).fetchall()


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(rows=_ROWS)
def test_values_are_exact_on_both_ways(connection: Connection, rows: list[dict[str, Any]]) -> None:
    statements, cipher = _open(connection)
    with connection.transaction(force_rollback=True):
        for number, values in enumerate(rows):
            _insert(connection, number, values)
        before = _stored(connection)
        read = statements.read_range(connection, None, None, 99, incomplete=False)
        statements.write(connection, read, cipher.encrypt(read), waits=True)
        read = statements.read_range(connection, None, None, 99, incomplete=False)
        assert cipher.find_mismatches(read) == set()
        _null_and_restore(connection, statements, cipher)
        assert _stored(connection) == before


def _null_and_restore(connection: Connection, statements: RowStatements, cipher: RowCipher) -> None:
    def read() -> Any:
        return cipher.open(statements.read_range(connection, None, None, 99, incomplete=False))

    opened = read()
    every = dict.fromkeys(KINDS, [True] * len(opened.rows))
    statements.null(connection, opened.rows, cipher.renew(opened, every))
    opened = read()
    assert {value for name in KINDS for value in opened.rows.columns[name]} == {None}
    changes = cipher.find_changes(opened)
    restored = cipher.sources.encrypt(opened.values, changes)
    statements.restore(connection, opened.rows, [*cipher.renew(opened, changes), *restored])
    assert cipher.find_mismatches(read().rows) == set()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("words", "{{a,b},{c,d}}"),
        ("words", "[2:3]={a,b}"),
        ("seen", "infinity"),
        ("seen", "0044-03-15 09:30 BC"),
    ],
)
def test_value_that_no_token_has_is_named(connection: Connection, column: str, value: str) -> None:
    statements, cipher = _open(connection)
    with connection.transaction(force_rollback=True):
        _insert(connection, 7, {column: value})
        read = statements.read_range(connection, None, None, 9, incomplete=True)
        with pytest.raises(EncryptionError, match=f"row 7, column {column}: "):
            cipher.encrypt(read)


@pytest.mark.parametrize(
    ("type_", "field", "reason"),
    [
        ("double precision", "Decimal", "no token has a floating-point number; change .* numeric"),
        ("real", "str", "no token has a floating-point number; change the column to numeric"),
        ("interval", "str", "no token has an interval, whose months have no length; change"),
        ("numeric[]", "list", "no token has an array of that type; change .* jsonb first"),
        ("text[]", "str", "its field is str .expected .*another type of the field"),
        ("mood", "int", "its field is int "),
        ("given", "str", "a domain that forbids NULL, .* change the column to text first"),
        ("named", "str", "a domain that forbids NULL, .* change the column to text first"),
        ("time", "str", "its field is str"),
    ],
)
def test_type_that_is_not_kept_is_refused_with_the_reason(
    connection: Connection, type_: LiteralString, field: str, reason: str
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(SQL("ALTER TABLE things ADD COLUMN extra {}").format(SQL(type_)))
        (problem,) = live_checks.find_problems(_plan(extra=field), _live(connection))
    assert problem.startswith(f"the column extra is {type_}")
    assert re.search(reason, problem), problem


def test_key_may_be_of_a_domain(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE cars (built year PRIMARY KEY, owner text)")
        connection.execute("INSERT INTO cars VALUES (1901, 'Ada'), (1902, 'Bob')")
        named = {"table": "cars", "columns": {"owner": {"field": "cars.owner"}}}
        plan = MigrationPlan.model_validate({**PLAN.model_dump(include=_NAMES), **named})
        assert (
            list(live_checks.find_problems(plan, live_table.read(connection, "public", "cars")))
            == []
        )
        connection.execute("ALTER TABLE cars ADD COLUMN owner_token bytea")
        live = live_table.read(connection, "public", "cars")
        statements = RowStatements(plans.to_table(plan, live), live)
        rows = statements.read_range(connection, ["1901"], ["1902"], 9, incomplete=True)
        assert list(rows.columns["owner"]) == ["Bob"]
        assert statements.write(connection, rows, [[b"token"]], waits=False) == 1
        assert statements.read_keys(connection, [["1902"]]).keys == ()


def test_key_that_is_the_data_is_refused_with_the_way_out(connection: Connection) -> None:
    problems = list(live_checks.find_problems(_plan(id="int"), _live(connection)))
    assert "give the table another primary key" in " ".join(problems)
