"""Course of a migration from plaintext to tokens and back, beside an application in its phases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import CheckViolation

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from app_integration.errors import ConfigurationError
from migration import MigrationBusy, old_columns, plan, state_table, switch
from migration.course import Course
from migration.forecast import forecast
from migration.guard import triggers
from migration.migration_context import MigrationContext
from migration.passes import passes
from migration.passes.passes import PassKind
from migration.rows.row_cipher import RowCipher
from migration.stage import Stage
from migration.table import dependent_rules
from migration.table.migrated_table import MigratedTable
from tests.support.migrations.course_driver import CourseDriver
from tests.support.models import cipher_parts, index_parts
from vault.declare.schema.migration import MigrationPlan

pytestmark = pytest.mark.requires("embedded")

ROWS: Final = 300
PLAN: Final = {
    "migration": "guests",
    "service": "hotel",
    "table": "guests",
    "columns": {
        "email": {
            "field": "guests.email",
            "index": {"rows": 100_000, "normalise": "email"},
        },
    },
}
_SETUP: Final = f"""
    CREATE TABLE guests (id int PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, visits int);
    INSERT INTO guests SELECT n, 'guest' || n || '@example.com', 0
    FROM generate_series(1, {ROWS}) AS n
"""
#: The column as it is before the switch.
REQUIRED: Final = ("email", "character varying(80)", True)


def changed_plan(**changes: object) -> MigrationPlan:
    return MigrationPlan.model_validate({**PLAN, **changes})


@dataclass
class Hotel(CourseDriver):
    """An application of guests, whose table is migrated."""

    batch = 50

    def __post_init__(self) -> None:
        self.plan = changed_plan()
        cipher = FieldCipher(
            cipher_parts.KeyService(), cipher_parts.STORE, data_keys=cipher_parts.Rows()
        )
        self.email = cipher.field("guests.email", ("id",))
        indexes = BlindIndexes(index_parts.KeyService(), index_parts.Rows(), index_parts.SHOP)
        self.index = indexes.index("guests.email", rows=100_000, normalise="email")
        self.index.create()

    def context(self, **changes: object) -> MigrationContext:
        if changes:
            return replace(super().context(), plan=changed_plan(**changes))
        return super().context()

    def create(self) -> None:
        self.script(_SETUP)

    def open_cipher(self, table: MigratedTable) -> RowCipher:
        return RowCipher(table, {"email": self.email}, {"email_index": self.index})

    def token(self, guest: int, email: str) -> tuple[object, object]:
        return self.email.encrypt(email, guest), self.index.value(email)

    def write_both(self, guest: int, email: str) -> None:
        token, index = self.token(guest, email)
        self.upsert({"id": guest, "email": email, "email_token": token, "email_index": index})

    def write_token(self, guest: int, email: str) -> None:
        """Write as in the phase ``nulling``."""
        token, index = self.token(guest, email)
        self.upsert({"id": guest, "email": None, "email_token": token, "email_index": index})

    def write_plaintext(self, guest: int, email: str) -> None:
        self.upsert({"id": guest, "email": email})

    def plaintexts(self) -> dict[int, str | None]:
        return dict(self.execute("SELECT id, email FROM guests"))

    def opened(self) -> dict[int, str]:
        rows = self.execute("SELECT id, email_token FROM guests")
        return {guest: self.email.decrypt(token, guest) for guest, token in rows}


def test_course_ends_without_plaintext(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.GUARDED)
    hotel.write_both(1, "new1@example.com")
    hotel.write_plaintext(2, "new2@example.com")
    hotel.advance(Stage.SWITCHED)
    expected |= {1: "new1@example.com", 2: "new2@example.com"}
    assert hotel.plaintexts() == hotel.opened() == expected
    hotel.write_both(3, "new3@example.com")
    hotel.write_token(4, "new4@example.com")
    hotel.write_token(ROWS + 1, "born@example.com")
    expected |= {3: "new3@example.com", 4: "new4@example.com", ROWS + 1: "born@example.com"}
    hotel.advance(Stage.NULLED)
    assert set(hotel.plaintexts().values()) == {None}
    with pytest.raises(CheckViolation, match=old_columns.NO_PLAINTEXT):
        hotel.write_both(5, "late@example.com")
    hotel.advance(Stage.DROPPED)
    hotel.execute("UPDATE guests SET visits = visits + 1")
    assert hotel.opened() == expected
    assert [name for name, *_ in hotel.columns()] == ["id", "visits", "email_token", "email_index"]
    assert hotel.stages == list(Stage)


@pytest.mark.parametrize("furthest", [each for each in Stage if each is not Stage.DROPPED])
def test_way_back_from_each_stage_has_what_was_written_meanwhile(
    hotel: Hotel, furthest: Stage
) -> None:
    before, expected = hotel.columns(), hotel.plaintexts()
    hotel.advance(furthest)
    write = hotel.write_token if furthest is Stage.NULLED else hotel.write_both
    for guest in (1, ROWS + 1):
        write(guest, f"late{guest}@example.com")
        expected[guest] = f"late{guest}@example.com"
    while hotel.undo() is not None:
        pass
    assert hotel.plaintexts() == expected
    assert hotel.columns() == before
    hotel.advance(Stage.GUARDED)


def test_way_back_restores_what_was_written_without_plaintext(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    hotel.write_token(1, "late@example.com")
    hotel.execute(
        "UPDATE guests SET email_token = %s, email_index = %s WHERE id = 2",
        *hotel.token(2, "later@example.com"),
    )
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == {**expected, 1: "late@example.com", 2: "later@example.com"}
    assert REQUIRED in hotel.columns()
    hotel.advance(Stage.SWITCHED)


def test_way_back_from_nulled_first_lets_the_version_before_it_be_deployed(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.SWITCHED
    hotel.write_token(1, "old1@example.com")
    hotel.write_both(2, "new2@example.com")
    hotel.write_token(ROWS + 1, "born@example.com")
    assert hotel.plaintexts() == {**dict.fromkeys(expected), 2: "new2@example.com", ROWS + 1: None}
    assert hotel.undo() is Stage.INDEXED
    expected |= {1: "old1@example.com", 2: "new2@example.com", ROWS + 1: "born@example.com"}
    assert hotel.plaintexts() == expected
    assert REQUIRED in hotel.columns()


def test_nulled_is_entered_again_after_a_step_back(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.SWITCHED
    hotel.write_both(2, "new2@example.com")
    hotel.advance(Stage.NULLED)
    assert hotel.opened() == {**expected, 2: "new2@example.com"}
    assert set(hotel.plaintexts().values()) == {None}


def test_dropped_has_no_way_back(hotel: Hotel) -> None:
    for stage in (Stage.SWITCHED, Stage.NULLED, Stage.DROPPED):
        hotel.advance(stage)
    with pytest.raises(ConfigurationError, match="the old columns were dropped"):
        hotel.undo()


def test_refused_plan_changes_nothing(hotel: Hotel) -> None:
    before = hotel.columns()
    column = {"mail": PLAN["columns"]["email"]}  # type: ignore[index] # a mapping
    refused = Course(hotel.context(columns=column), hotel.run, hotel.stages.append)
    with pytest.raises(forecast.PlanRefused, match="has no column 'mail'"):
        refused.advance(Stage.SWITCHED)
    assert hotel.columns() == before
    assert hotel.execute("SELECT to_regnamespace('strongroom_migration')") == [(None,)]


def test_server_without_room_is_not_written_to(hotel: Hotel) -> None:
    full = replace(hotel.context(), free=1000)
    with pytest.raises(ConfigurationError, match=r"all before the switch needs 1\.\d GB"):
        Course(full, hotel.run, hotel.stages.append).advance(Stage.SWITCHED)
    hotel.advance(Stage.SWITCHED)
    with pytest.raises(ConfigurationError, match="the removal of plaintext needs"):
        Course(full, hotel.run, hotel.stages.append).advance(Stage.NULLED)
    assert None not in hotel.plaintexts().values()


@pytest.fixture
def clerk(hotel: Hotel) -> Iterator[MigrationContext]:
    """Yield the context of a user who owns the table, and may not know the server's folders."""
    hotel.script(
        "CREATE ROLE clerk; ALTER TABLE guests OWNER TO clerk;"
        f"GRANT CREATE ON DATABASE {hotel.database.name} TO clerk;"
        "GRANT CREATE ON SCHEMA public TO clerk"
    )

    @contextmanager
    def connect() -> Iterator[Connection]:
        with hotel.connect() as connection:
            connection.execute("SET ROLE clerk")
            yield connection
            connection.execute("RESET ROLE")

    yield replace(hotel.context(), connect=connect)
    hotel.script("RESET ROLE; REASSIGN OWNED BY clerk TO postgres; DROP OWNED BY clerk")
    hotel.script("DROP ROLE clerk")


def test_unknown_room_is_asked_for_and_else_refused(hotel: Hotel, clerk: MigrationContext) -> None:
    asked: list[str] = []

    def answer() -> int:
        asked.append("free")
        return 1 << 40

    with pytest.raises(ConfigurationError, match="what is free there is unknown; pass --free"):
        Course(clerk, hotel.run, hotel.stages.append).advance(Stage.GUARDED)
    assert clerk.find_stage() is None
    answered = replace(clerk, ask_free=answer)
    assert Course(answered, hotel.run, hotel.stages.append).advance(Stage.GUARDED) is None
    assert asked == ["free"]


def test_changed_plan_is_refused(hotel: Hotel) -> None:
    hotel.advance(Stage.GUARDED)
    other = Course(hotel.context(key="other"), hotel.run, hotel.stages.append)
    with pytest.raises(ConfigurationError, match="key of the plan changed"):
        other.advance(Stage.SWITCHED)
    slower = Course(hotel.context(quiet_for="1h"), hotel.run, hotel.stages.append)
    waiting = slower.advance(Stage.SWITCHED)
    assert waiting is not None


def test_of_two_commands_one_changes_the_stage(hotel: Hotel) -> None:
    with hotel.context().lock(), pytest.raises(MigrationBusy):
        hotel.advance(Stage.GUARDED)
    hotel.advance(Stage.GUARDED)


def test_switch_is_refused_after_the_guard_was_off(hotel: Hotel) -> None:
    hotel.advance(Stage.INDEXED)
    hotel.execute(f"ALTER TABLE guests DISABLE TRIGGER {triggers.AFTER_INSERT}")
    hotel.write_plaintext(ROWS + 1, "unseen@example.com")
    hotel.execute(f"ALTER TABLE guests ENABLE ALWAYS TRIGGER {triggers.AFTER_INSERT}")
    with pytest.raises(switch.GuardChanged, match="switched off or replaced since"):
        hotel.advance(Stage.SWITCHED)
    while hotel.undo() is not None:
        pass
    hotel.advance(Stage.SWITCHED)
    assert hotel.plaintexts() == hotel.opened()


def test_writer_without_token_is_refused_after_the_quiet_time(hotel: Hotel) -> None:
    hotel.advance(Stage.DUAL_WRITING)
    for stage in (Stage.DUAL_WRITING, Stage.INDEXED, Stage.SWITCHED):
        hotel.advance(stage)
        with pytest.raises(psycopg.Error, match="brought no new token"):
            hotel.write_plaintext(1, "bypass@example.com")


def test_wrong_token_is_replaced_once_and_then_an_error(hotel: Hotel) -> None:
    hotel.advance(Stage.BACKFILLED)
    spoil(hotel)
    hotel.between = lambda _: spoil(hotel)
    with pytest.raises(passes.RowsStayWrong, match="1 of 300 rows were wrong again"):
        hotel.advance(Stage.SWITCHED)
    hotel.between = lambda _: None
    hotel.advance(Stage.SWITCHED)
    assert hotel.plaintexts() == hotel.opened()


def test_row_whose_token_does_not_open_keeps_its_plaintext(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    spoil(hotel)
    with pytest.raises(passes.RowsStayWrong, match="their plaintext stayed"):
        hotel.advance(Stage.NULLED)
    left = {guest: email for guest, email in hotel.plaintexts().items() if email is not None}
    assert left == {7: expected[7]}
    hotel.write_both(7, "again@example.com")
    hotel.advance(Stage.NULLED)
    assert hotel.opened() == {**expected, 7: "again@example.com"}


def test_application_that_writes_plaintext_still_is_not_refused(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.between = lambda _: hotel.write_both(9, "both@example.com")
    with pytest.raises(old_columns.PlaintextLeft, match="still writes"):
        hotel.advance(Stage.NULLED)
    hotel.write_both(9, "still@example.com")
    hotel.between = lambda _: None
    hotel.advance(Stage.NULLED)
    assert hotel.opened()[9] == "still@example.com"


def test_pass_is_not_continued_after_one_that_undoes_it(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    with hotel.interrupted():
        hotel.undo()
    with hotel.interrupted():
        hotel.advance(Stage.NULLED)
    assert None in hotel.plaintexts().values()
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == expected


def test_command_ends_if_another_undoes_its_pass(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    with hotel.connect() as connection:
        table = plan.to_table(hotel.context().plan, hotel.context().read_table(connection))
    hotel.between = lambda _: passes.begin(hotel.context(), table, PassKind.NULL)
    with pytest.raises(state_table.MigrationMoved, match="another command ended this pass"):
        hotel.undo()


def test_lost_with_the_column_is_only_what_the_migration_did_not_add(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    context = hotel.context()
    with context.connect() as connection:
        found = context.read_dependents(connection)
    assert dependent_rules.find_lost(found) == [
        "constraint guests_email_key on table public.guests"
    ]


def test_view_on_the_column_keeps_it(hotel: Hotel) -> None:
    hotel.execute("CREATE VIEW mails AS SELECT email FROM guests")
    hotel.advance(Stage.NULLED)
    with pytest.raises(ConfigurationError, match="view mails depends on column email"):
        hotel.advance(Stage.DROPPED)
    hotel.execute("DROP VIEW mails")
    hotel.advance(Stage.DROPPED)


def spoil(hotel: Hotel) -> None:
    """Give guest 7 the token of guest 8, as a faulty application would."""
    hotel.execute(
        "UPDATE guests SET email_token = (SELECT email_token FROM guests WHERE id = 8) WHERE id = 7"
    )
