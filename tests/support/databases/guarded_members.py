"""A table under migration, whose guard refuses, and checks of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app_integration import database_engine, default_client, use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.integrations.orm_values import token_from_bytes
from app_integration.integrations.plaintext import Phase
from migration import error_text, guarding, plan, states
from migration.passes.backfill import Backfill
from migration.passes.ranges import Ranges
from migration.passes.verification import Verification
from migration.rows import service_keys
from migration.rows.row_statements import RowStatements
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing
from vault.declare.schema.migration import MigrationPlan

ROWS: Final = 20
DATA_KEYS, INDEX_KEYS = "members_data_keys", "members_index_keys"
PLAN: Final = {
    "migration": "members",
    "service": "gaara-store",
    "table": "members",
    "context": ("member_id", "club"),
    "attributes": {"member_id": "id"},
    "columns": {
        "email": {"field": "members.email", "index": {"rows": 100_000, "normalise": "email"}},
        "born": {"field": "members.born", "type": "date"},
    },
    "data_keys": DATA_KEYS,
    "index_keys": INDEX_KEYS,
}
_AT_ONCE: Final = Pacing(lambda: 0.0, lambda _: None, lambda: 0.0, patience=0.0)
_CREATE: Final = """
    CREATE TABLE members (
        member_id uuid PRIMARY KEY, club text NOT NULL, visits int NOT NULL DEFAULT 0,
        email text, born date
    )
"""
_FILL: Final = """
    INSERT INTO members SELECT gen_random_uuid(), 'c' || n, 0, 'Member' || n || '@example.com',
        CASE WHEN n % 2 = 0 THEN '1980-01-01'::date + n END
    FROM generate_series(1, :rows) AS n
"""


class StoredMember(NamedTuple):
    """A row as the table has it."""

    member_id: UUID
    club: str
    visits: int
    email: str | None
    born: date | None
    email_token: bytes | None
    email_index: bytes | None
    born_token: bytes | None

    @property
    def written(self) -> tuple[object, ...]:
        """Return all that only a new value or context changes."""
        return self[3:]


class GuardedMembers:
    """The table ``members``, with plaintext rows and a guard that refuses.

    Attributes:
        engine: An engine on its database, of the service.

    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._plan = MigrationPlan.model_validate(PLAN)

    def begin(self) -> None:
        """Create the table with its rows, install the guard, and let it refuse."""
        with self.engine.begin() as connection:
            connection.execute(text(_CREATE))
            connection.execute(text(_FILL), {"rows": ROWS})
        with self._connect() as connection:
            table = self._table(connection)
            guarding.begin(connection, "members", {}, table, _AT_ONCE)
            state = states.read(connection, "members")
            assert state is not None
            assert not guarding.refuse(
                connection, "members", table, quiet_for=timedelta(0), now=state.since
            )
        client = default_client.get_default_client()
        self._cipher = service_keys.open_cipher(client, self.engine, self._plan, table)
        # As the application has them, with caches of its own.
        use_data_keys(TableDataKeys(self.engine, DATA_KEYS))
        use_index_keys(TableIndexKeys(self.engine, INDEX_KEYS))

    def backfill(self) -> None:
        """Encrypt each row that has no token, and verify all."""
        with self._connect() as connection:
            table = self._table(connection)
            live = live_table.read(connection, "public", "members")
            writer = TokenWriter(RowStatements(table, live), self._cipher)
            backfill, verify = Ranges("members", "backfill"), Ranges("members", "verify")
            for ranges in (backfill, verify):
                ranges.create(connection, table, ROWS)
            while Backfill(backfill, writer, 10).run_batch(connection) is not None:
                pass
            while Verification(verify, writer, 10).run_batch(connection) is not None:
                pass
            assert verify.read_progress(connection).wrong == 0

    def drop(self) -> None:
        """Drop all of it."""
        with self.engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS members, {DATA_KEYS}, {INDEX_KEYS}"))
            connection.execute(text("DROP SCHEMA IF EXISTS strongroom_migration CASCADE"))

    def read(self, key: UUID) -> StoredMember:
        """Return the row with the key *key*."""
        (found,) = self._select("WHERE member_id = :key", key=key)
        return found

    def read_all(self) -> list[StoredMember]:
        """Return all rows."""
        return self._select("")

    def check(self, phase: Phase, key: UUID, email: str | None, born: date | None = None) -> None:
        """Check that a row has *email* and *born*, as a writer in *phase* leaves them."""
        row = self.read(key)
        plain = (None, None) if phase is Phase.NULLING else (email, born)
        assert (row.email, row.born) == plain
        self.check_tokens(row, email, born)

    def check_tokens(self, row: StoredMember, email: str | None, born: date | None) -> None:
        """Check that the tokens and the index value of *row* are those of *email* and *born*."""
        client = default_client.get_default_client()
        for name, kind, token, value in (
            ("email", str, row.email_token, email),
            ("born", date, row.born_token, born),
        ):
            field = client.cipher("pii").field(f"members.{name}", ["id", "club"], kind)
            assert (token is None) == (value is None)
            if token is not None:
                opened = field.decrypt(token_from_bytes(token), row.member_id, row.club)
                assert opened == value
        index = client.indexes.find("members.email") or client.indexes.index(
            "members.email", rows=100_000, normalise="email"
        )
        assert row.email_index == index.value(email)

    def check_refusal(self, key: UUID) -> None:
        """Check that a writer of plaintext alone is refused, and changes nothing."""
        before = self.read(key)
        for change in ("email = 'bypass@example.com'", "born = '1999-09-09'"):
            with pytest.raises(DBAPIError, match="brought no new token") as caught:
                self._change(key, change)
            assert cast("Any", caught.value.orig).sqlstate == error_text.REFUSED
        assert self.read(key) == before

    def _change(self, key: UUID, change: str) -> None:
        statement = text(f"UPDATE members SET {change} WHERE member_id = :key")
        with self.engine.begin() as connection:
            connection.execute(statement, {"key": key})

    def _select(self, condition: str, **values: object) -> list[StoredMember]:
        columns = ", ".join(StoredMember._fields)
        with self.engine.connect() as connection:
            found = connection.execute(text(f"SELECT {columns} FROM members {condition}"), values)
            return [StoredMember(*row) for row in found]

    def _table(self, connection: Any) -> MigratedTable:
        return plan.to_table(self._plan, live_table.read(connection, "public", "members"))

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        with closing(self.engine.raw_connection()) as raw:
            connection: Any = raw.driver_connection
            connection.autocommit = True
            try:
                yield connection
            finally:
                connection.autocommit = False


@contextmanager
def guarded_members() -> Iterator[GuardedMembers]:
    """Create the table for the block, with the default client's keys, and drop it at the end."""
    members = GuardedMembers(database_engine())
    try:
        members.begin()
        yield members
    finally:
        members.drop()
