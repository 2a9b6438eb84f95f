"""A migrated table in the application: its mapped class opens and finds what was backfilled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, LargeBinary, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app_integration import database_engine, default_client, use_data_keys, use_index_keys
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow, Index, find
from migration import guard_start, plan
from migration.passes.backfill import Backfill
from migration.passes.ranges import Ranges
from migration.passes.verification import Verification
from migration.rows import service_keys
from migration.rows.row_statements import RowStatements
from migration.rows.token_writer import TokenWriter
from migration.table import live_table
from migration.table.table_lock import Pacing
from tests.support.databases.guarded_members import DATA_KEYS, INDEX_KEYS, PLAN
from vault.declare.schema.migration import MigrationPlan

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

ROWS: Final = 500
AT_ONCE: Final = Pacing(lambda: 0.0, lambda _: None, lambda: 0.0, patience=0.0)


class Base(DeclarativeBase):
    pass


class Member(EncryptedRow, Base):
    """The class as the application maps it after the switch: tokens have columns of other names."""

    __tablename__ = "members"

    id: Mapped[UUID] = mapped_column("member_id", primary_key=True, default=uuid4)
    club: Mapped[str]
    email_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    email_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    born_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    email = Encrypted(
        "members.email", context=["id", "club"], index=Index(100_000, normalise="email")
    )
    born = Encrypted("members.born", date, context=["id", "club"], nullable=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = database_engine()
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE members (member_id uuid PRIMARY KEY, club text NOT NULL,"
                " email text, born date)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO members SELECT gen_random_uuid(), 'c' || n, 'Member' || n ||"
                " '@example.com', CASE WHEN n % 2 = 0 THEN '1980-01-01'::date + n END"
                " FROM generate_series(1, :rows) AS n"
            ),
            {"rows": ROWS},
        )
    yield engine
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS members, {DATA_KEYS}, {INDEX_KEYS}"))
        connection.execute(text("DROP SCHEMA IF EXISTS strongroom_migration CASCADE"))


def test_mapped_class_opens_and_finds_backfilled_rows(engine: Engine) -> None:
    migrate(engine)
    # As another process has them, with caches of its own.
    use_data_keys(TableDataKeys(engine, DATA_KEYS))
    use_index_keys(TableIndexKeys(engine, INDEX_KEYS))
    with Session(engine) as session:
        members = session.query(Member).all()
        expected = session.execute(text("SELECT member_id, email, born FROM members"))
        assert {(each.id, each.email, each.born) for each in members} == {*expected}
        (found,) = find(session, Member.email, "member7@EXAMPLE.com")
        assert (found.club, found.born) == ("c7", None)


def migrate(engine: Engine) -> None:
    """Encrypt the table, as the command's workers do."""
    checked = MigrationPlan.model_validate(PLAN)
    client = default_client.get_default_client()
    with closing(engine.raw_connection()) as raw:
        connection: Any = raw.driver_connection
        connection.autocommit = True
        live = live_table.read(connection, "public", "members")
        table = plan.to_table(checked, live)
        guard_start.begin(connection, "members", {}, table, AT_ONCE)
        cipher = service_keys.open_cipher(client, engine, checked, table)
        writer = TokenWriter(RowStatements(table, live), cipher)
        backfill, verify = Ranges("members", "backfill"), Ranges("members", "verify")
        for ranges in (backfill, verify):
            ranges.create(connection, table, 200)
        while Backfill(backfill, writer, 100).run_batch(connection) is not None:
            pass
        while Verification(verify, writer, 100).run_batch(connection) is not None:
            pass
        assert verify.read_progress(connection).wrong == 0
        assert backfill.read_progress(connection).rows == ROWS
