"""Course of a migration from old tokens to new ones and back, beside the application."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

import psycopg
import pytest
from psycopg.errors import CheckViolation

from app_integration.encryption.cipher import FieldCipher
from migration import old_columns
from migration.guard import recorded_writes
from migration.passes.passes import RowsStayWrong
from migration.rows.source_cipher import OldTokenInvalid
from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.old_tokens import KINDS, ROWS, Clinic
from vault.declare.schema.migration import MigrationPlan

pytestmark = pytest.mark.requires("embedded")

#: Gives patient 7 the token of patient 8.
_SPOIL: Final = """
    WITH one AS (SELECT * FROM patients WHERE id = 8)
    UPDATE patients SET email = (SELECT email FROM one) WHERE id = 7
"""


@pytest.fixture(params=[*KINDS])
def clinic(request: pytest.FixtureRequest, database: OwnDatabase) -> Iterator[Clinic]:
    with Clinic(database, request.param).with_table() as clinic:
        yield clinic


@pytest.fixture
def other_key(database: OwnDatabase) -> Iterator[Clinic]:
    with Clinic(database, "key").with_table() as clinic:
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
    with pytest.raises(CheckViolation, match=old_columns.NO_PLAINTEXT):
        clinic.write_both(6, "late@example.com")
    clinic.values[6] = "Patient6@example.com"
    clinic.advance(Stage.DROPPED)
    clinic.execute("UPDATE patients SET visits = 1")
    names = [name for name, *_ in clinic.columns()]
    assert names == ["id", "ward", "visits", "email_2", "lookup_2"]
    assert clinic.read_new() == clinic.values


def test_plaintext_and_tokens_of_several_types_are_in_one_plan(other_key: Clinic) -> None:
    columns = {
        **{name: each.model_dump() for name, each in other_key.plan.columns.items()},
        "phone": {"field": "patients.phone"},
        "born": {
            "field": "patients.born",
            "type": "date",
            "token": "born_2",
            "encrypted": {"key": "archive"},
        },
    }
    plan = other_key.plan.model_dump(exclude={"quiet_for"})
    other_key.plan = MigrationPlan.model_validate({**plan, "columns": columns})
    new, old = other_key.new.field.cipher, other_key.old.field.cipher
    assert isinstance(new, FieldCipher)
    assert isinstance(old, FieldCipher)
    born = {
        column: cipher.field("patients.born", ("id",), date)
        for column, cipher in (("born", old), ("born_2", new))
    }
    other_key.fields |= {"phone": new.field("patients.phone", ("id",)), "born": born["born_2"]}
    other_key.old_fields["born"] = born["born"]
    other_key.execute("ALTER TABLE patients ADD phone varchar(20), ADD born bytea")
    days = {patient: date(1980, 1, 1) + timedelta(patient) for patient in range(1, ROWS + 1, 2)}
    for patient, day in days.items():
        token = str(born["born"].encrypt(day, patient)).encode()
        other_key.execute(
            "UPDATE patients SET phone = %s, born = %s WHERE id = %s", f"0{patient}", token, patient
        )

    def check(column: str) -> None:
        stored = other_key.execute(f"SELECT id, {column} FROM patients WHERE {column} IS NOT NULL")
        opened = {
            patient: born[column].decrypt(token.decode(), patient) for patient, token in stored
        }
        assert opened == days

    other_key.advance(Stage.SWITCHED)
    check("born_2")
    other_key.advance(Stage.NULLED)
    assert other_key.execute("SELECT count(phone), count(born) FROM patients") == [(0, 0)]
    assert [other_key.undo(), other_key.undo()] == [Stage.SWITCHED, Stage.INDEXED]
    check("born")
    phones = other_key.execute("SELECT id, phone FROM patients WHERE phone IS NOT NULL")
    assert dict(phones) == {patient: f"0{patient}" for patient in days}
    for stage in (Stage.SWITCHED, Stage.NULLED, Stage.DROPPED):
        other_key.advance(stage)
    check("born_2")
    assert other_key.read_new() == other_key.values


def test_required_old_index_is_required_again_on_the_way_back(other_key: Clinic) -> None:
    other_key.execute("ALTER TABLE patients ALTER email_index SET NOT NULL")
    before = other_key.columns()
    other_key.advance(Stage.NULLED)
    other_key.write_new(1, "Late@example.com")
    while other_key.undo() is not None:
        pass
    assert other_key.columns() == before
    assert other_key.read_old() == other_key.values


def test_old_tokens_in_varchar_are_written_again_as_text(database: OwnDatabase) -> None:
    with Clinic(database, "text").with_table() as clinic:
        clinic.execute("ALTER TABLE patients ALTER email TYPE varchar(400)")
        clinic.advance(Stage.NULLED)
        clinic.write_new(1, "Late@example.com")
        assert [clinic.undo(), clinic.undo()] == [Stage.SWITCHED, Stage.INDEXED]
        assert clinic.read_old() == clinic.values
        tokens = clinic.execute("SELECT email FROM patients WHERE email NOT LIKE 'sr3.%'")
        assert tokens == []


def test_new_token_of_another_value_is_replaced(other_key: Clinic) -> None:
    other_key.advance(Stage.BACKFILLED)
    token, _ = other_key.new.written({"id": 7, "ward": "w7"}, "wrong@example.com")
    other_key.execute("UPDATE patients SET email_2 = %s WHERE id = 7", token)
    other_key.advance(Stage.SWITCHED)
    assert other_key.read_new() == other_key.values


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


def test_plan_of_other_tokens_is_refused_before_anything_is_changed(other_key: Clinic) -> None:
    before, other_key.old_fields = other_key.columns(), other_key.fields
    with pytest.raises(OldTokenInvalid, match="row 1, column email: its token does not decrypt"):
        other_key.advance(Stage.GUARDED)
    assert other_key.columns() == before


@pytest.mark.parametrize("before", [Stage.GUARDED, Stage.BACKFILLED])
def test_old_token_that_does_not_open_ends_the_command_and_is_named(
    other_key: Clinic, before: Stage
) -> None:
    other_key.advance(before)
    # As a faulty application would bring it: later with a new token, past the guard.
    token = "" if before is Stage.GUARDED else "email_2 = (SELECT email_2 FROM one), "
    other_key.execute(_SPOIL.replace("SET ", f"SET {token}"))
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
        (writer,) = recorded_writes.read_writers(connection, "patients")
    assert (writer.application, writer.operation, writer.writes) == ("old clinic", "UPDATE", 1)
    clinic.advance(Stage.DUAL_WRITING)
    for stage in (Stage.DUAL_WRITING, Stage.INDEXED, Stage.SWITCHED):
        clinic.advance(stage)
        with pytest.raises(psycopg.Error, match="brought no new token"):
            clinic.write_old(1, "bypass@example.com")
    clinic.values[1] = "Patient1@example.com"
    assert clinic.read_new() == clinic.values
