"""Course of a migration from old tokens to new ones and back, beside the application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from psycopg.errors import CheckViolation

from migration import plaintext_columns
from migration.guard import bypasses
from migration.passes.passes import PassKind, RowsStayWrong
from migration.passes.ranges import PassProgress
from migration.rows.source_cipher import OldTokenInvalid
from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.old_tokens import KINDS, ROWS, Clinic, Quiet, open_clinic

pytestmark = pytest.mark.requires("embedded")

#: Gives patient 7 the token of patient 8.
_SPOIL: Final = """
    WITH one AS (SELECT * FROM patients WHERE id = 8)
    UPDATE patients SET email = (SELECT email FROM one) WHERE id = 7
"""


class Leaving(Quiet):
    """A watch with which a worker is interrupted after its second batch."""

    def show(self, progress: PassProgress) -> None:
        if progress.rows > 25:
            raise KeyboardInterrupt


@pytest.fixture(params=[*KINDS])
def clinic(request: pytest.FixtureRequest, database: OwnDatabase) -> Iterator[Clinic]:
    with open_clinic(database, request.param) as clinic:
        yield clinic


@pytest.fixture
def other_key(database: OwnDatabase) -> Iterator[Clinic]:
    with open_clinic(database, "key") as clinic:
        yield clinic


def test_course_ends_without_old_tokens(clinic: Clinic) -> None:
    clinic.advance(Stage.GUARDED)
    clinic.write_both(1, "New1@example.com")
    clinic.write_old(2, "New2@example.com")
    clinic.write_old(ROWS + 1, "Late@example.com")
    clinic.advance(Stage.SWITCHED)
    assert clinic.read_old() == clinic.read_new() == clinic.values
    clinic.write_both(3, "New3@example.com")
    clinic.write_new(4, "New4@example.com")
    clinic.write_new(ROWS + 2, "Born@example.com")
    clinic.write_new(5, None)
    clinic.advance(Stage.NULLED)
    assert clinic.read_new() == clinic.values
    assert clinic.execute("SELECT count(email), count(email_index) FROM patients") == [(0, 0)]
    with pytest.raises(CheckViolation, match=plaintext_columns.NO_PLAINTEXT):
        clinic.write_both(6, "late@example.com")
    clinic.values[6] = "Patient6@example.com"
    clinic.advance(Stage.DROPPED)
    clinic.execute("UPDATE patients SET visits = 1")
    assert [name for name, _ in clinic.columns()] == ["id", "ward", "visits", "email_2", "lookup_2"]
    assert clinic.read_new() == clinic.values


@pytest.mark.parametrize("furthest", [each for each in Stage if each is not Stage.DROPPED])
def test_way_back_from_each_stage_has_what_was_written_meanwhile(
    clinic: Clinic, furthest: Stage
) -> None:
    before = clinic.columns()
    clinic.advance(Stage.GUARDED)
    clinic.advance(furthest)
    write = clinic.write_new if furthest is Stage.NULLED else clinic.write_both
    for patient in (1, ROWS + 1):
        write(patient, f"Late{patient}@example.com")
    while clinic.undo() is not None:
        pass
    assert clinic.read_old() == clinic.values
    assert clinic.columns() == before
    clinic.advance(Stage.GUARDED)


def test_new_token_of_another_value_is_replaced(clinic: Clinic) -> None:
    clinic.advance(Stage.BACKFILLED)
    token, _ = clinic.new.written({"id": 7, "ward": "w7"}, "wrong@example.com")
    clinic.execute("UPDATE patients SET email_2 = %s WHERE id = 7", token)
    clinic.advance(Stage.SWITCHED)
    assert clinic.read_new() == clinic.values


def test_row_whose_new_token_does_not_open_keeps_its_old_one(other_key: Clinic) -> None:
    other_key.advance(Stage.SWITCHED)
    other_key.execute(
        "UPDATE patients SET email_2 = (SELECT email_2 FROM patients WHERE id = 8) WHERE id = 7"
    )
    with pytest.raises(RowsStayWrong, match="so their old tokens stayed"):
        other_key.advance(Stage.NULLED)
    assert other_key.execute("SELECT id FROM patients WHERE email IS NOT NULL") == [(7,)]
    other_key.write_both(7, "again@example.com")
    other_key.advance(Stage.NULLED)
    assert other_key.read_new() == other_key.values


@pytest.mark.parametrize("before", [None, Stage.BACKFILLED])
def test_old_token_that_does_not_open_ends_the_command_and_is_named(
    other_key: Clinic, before: Stage | None
) -> None:
    if before is None:
        other_key.execute(_SPOIL)
    else:
        other_key.advance(before)
        # As a faulty application would bring it, past the guard.
        other_key.execute(_SPOIL.replace("SET ", "SET email_2 = (SELECT email_2 FROM one), "))
    for _ in range(2):
        with pytest.raises(OldTokenInvalid) as caught:
            other_key.advance(Stage.SWITCHED)
        assert "public.patients, row 7, column email: its token does not" in str(caught.value)
        assert "Patient" not in str(caught.value)
    other_key.write_both(7, "again@example.com")
    other_key.advance(Stage.SWITCHED)
    assert other_key.read_new() == other_key.values


def test_writer_of_old_tokens_alone_is_named_and_then_refused(clinic: Clinic) -> None:
    clinic.advance(Stage.GUARDED)
    with clinic.database.connect() as connection:
        connection.execute("SET application_name = 'old clinic'")
        row = {"id": 9, "ward": "w9"}
        # Even the same value: nobody can see that it is.
        token, _ = clinic.old.written(row, clinic.values[9])
        connection.execute("UPDATE patients SET email = %s WHERE id = 9", (token,))
        (writer,) = bypasses.read_writers(connection, "patients")
    assert (writer.application, writer.operation, writer.writes) == ("old clinic", "UPDATE", 1)
    clinic.advance(Stage.DUAL_WRITING)
    for stage in (Stage.DUAL_WRITING, Stage.INDEXED, Stage.SWITCHED):
        clinic.advance(stage)
        with pytest.raises(psycopg.Error, match="brought no new token"):
            clinic.write_old(1, "bypass@example.com")
    clinic.values[1] = "Patient1@example.com"
    assert clinic.read_new() == clinic.values


@pytest.mark.parametrize("interrupted", [PassKind.BACKFILL, PassKind.VERIFY, PassKind.NULL])
def test_interrupted_pass_is_continued(clinic: Clinic, interrupted: PassKind) -> None:
    before = {
        PassKind.BACKFILL: Stage.DUAL_WRITING,
        PassKind.VERIFY: Stage.BACKFILLED,
        PassKind.NULL: Stage.SWITCHED,
    }[interrupted]
    clinic.advance(before)
    clinic.watch = Leaving()
    with pytest.raises(KeyboardInterrupt):
        clinic.advance(Stage.NULLED)
    clinic.watch = Quiet()
    clinic.advance(Stage.NULLED)
    assert clinic.read_new() == clinic.values


def test_interrupted_restoration_is_continued(clinic: Clinic) -> None:
    clinic.advance(Stage.SWITCHED)
    clinic.write_new(1, "late@example.com")
    clinic.watch = Leaving()
    with pytest.raises(KeyboardInterrupt):
        clinic.undo()
    clinic.watch = Quiet()
    assert clinic.undo() is Stage.INDEXED
    assert clinic.read_old() == clinic.read_new() == clinic.values
