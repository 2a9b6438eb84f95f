"""Encrypted attributes of either ORM: binding to the row, blind indexes, and plaintext checks."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from app_integration import use_data_keys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import ConfigurationError, DecryptionFailed, EncryptionError
from app_integration.testing import Fault, MemoryApplication
from tests.support.orms.orm import Compound, Encrypted, Key, Plain, Table
from tests.support.orms.orms import Orm

BORN = date(1815, 12, 10)
PEOPLE = Table(
    "ContractPerson",
    "people",
    {
        "city": Plain(),
        "email": Encrypted("people.email", normalise="email"),
        "name": Encrypted("people.name", null=True),
        "born": Encrypted("people.born", date, null=True),
        "name_born": Compound("people.name_born", ("name", "born"), ("casefold", "exact")),
    },
)
#: Its tokens are bound to two attributes.
NOTES = Table(
    "ContractNote",
    "notes",
    {"buyer": Plain(), "text": Encrypted("notes.text", context=("id", "buyer"))},
)
PROFILES = Table(
    "ContractProfile",
    "profiles",
    {"notes": Encrypted("profiles.notes", dict), "tags": Encrypted("profiles.tags", list)},
)
#: One of its columns keeps the tokens that carry their data keys.
LETTERS = Table(
    "ContractLetter",
    "letters",
    {
        "before": Encrypted("letters.text", column="text", self_contained=True),
        "after": Encrypted("letters.text", column="text_2"),
    },
)
NUMBERED = Table(
    "ContractNumbered", "numbered", {"email": Encrypted("numbered.email")}, Key.GENERATED
)


@pytest.fixture(autouse=True)
def tables(orm: Orm) -> Iterator[None]:
    with orm.tables(PEOPLE, NOTES, PROFILES, LETTERS, NUMBERED):
        yield


def person(orm: Orm, email: str, **values: Any) -> Any:
    row = orm.owner(PEOPLE)(email=email, **values)
    orm.add(row)
    return row


def ada(orm: Orm) -> Any:
    return person(orm, "Ada@Example.com", name="Ada", born=BORN, city="London")


def stored(orm: Orm, column: str) -> list[Any]:
    return [value for (value,) in orm.run(f"SELECT {column} FROM people")]


def emails(rows: list[Any]) -> set[str]:
    return {row.email for row in rows}


def test_saved_values_are_read_back_and_stored_encrypted(orm: Orm) -> None:
    ada(orm)
    (found,) = orm.all(PEOPLE)
    assert (found.email, found.name, found.born) == ("Ada@Example.com", "Ada", BORN)
    for column in ("email", "name", "born"):
        (token,) = stored(orm, column)
        assert isinstance(token, bytes)
        assert len(token) == 33 + len(str(getattr(found, column)))
        assert b"Ada" not in token


def test_token_copied_to_another_row_or_column_cannot_be_decrypted(orm: Orm) -> None:
    rows = [ada(orm), person(orm, "bob@example.com", name="Bob")]
    names = [orm.token(row, "name") for row in rows]
    for token in (*names, orm.token(rows[0], "email")):
        orm.write_token(PEOPLE, "name", token)
        readable = [row for row in orm.all(PEOPLE) if is_readable(row)]
        assert len(readable) == (token in names)


def is_readable(row: Any) -> bool:
    try:
        return row.name is not None
    except DecryptionFailed:
        return False


def test_token_is_bound_to_all_attributes_of_its_context(orm: Orm) -> None:
    orm.add(orm.owner(NOTES)(buyer="ada", text="by the back door"))
    orm.run("UPDATE notes SET buyer = 'eve'")
    (note,) = orm.all(NOTES)
    with pytest.raises(DecryptionFailed) as caught:
        assert note.text
    assert caught.value.__notes__ == ["The token was read as that of the field notes.text."]


def test_value_assigned_before_its_context_changes_is_bound_to_the_new_one(orm: Orm) -> None:
    note = orm.owner(NOTES)(id=uuid4(), buyer="ada", text="first")
    note.buyer = "bob"
    orm.add(note)
    (note,) = orm.all(NOTES)
    assert note.text == "first"
    note.text, note.buyer = "second", "eve"
    assert note.text == "second"
    orm.save(note)
    (note,) = orm.all(NOTES)
    assert (note.text, note.buyer) == ("second", "eve")


def test_equality_matches_normalised_values(orm: Orm) -> None:
    ada(orm)
    for name in ("bob", "eve"):
        person(orm, f"{name}@example.com")
    assert [row.name for row in orm.find(PEOPLE, "email", "ADA@example.com")] == ["Ada"]
    assert [row.name for row in orm.where(PEOPLE, "email", "ada@EXAMPLE.com")] == ["Ada"]
    either = orm.where(PEOPLE, "email", ["ada@example.com", "bob@example.com"])
    assert emails(either) == {"Ada@Example.com", "bob@example.com"}
    assert orm.find(PEOPLE, "email", "nobody@example.com") == []
    assert orm.where(PEOPLE, "email", []) == []
    assert emails(orm.where(PEOPLE, "born", None)) == {"bob@example.com", "eve@example.com"}


def test_find_and_exactly_drop_rows_with_a_colliding_index_value(orm: Orm) -> None:
    ada(orm)
    person(orm, "bob@example.com")
    value = orm.index(PEOPLE, "email").value("ada@example.com")
    assert value is not None
    orm.run(f"UPDATE people SET email_index = x'{value.hex()}'")
    assert len(orm.where(PEOPLE, "email", "ada@example.com")) == 2
    for search in (orm.find, orm.exactly):
        assert [row.name for row in search(PEOPLE, "email", "ada@example.com")] == ["Ada"]


def test_compound_index_matches_all_values_only(orm: Orm) -> None:
    ada(orm)
    assert len(orm.find(PEOPLE, "name_born", ("ADA", BORN))) == 1
    assert orm.find(PEOPLE, "name_born", ("ada", date(1815, 12, 11))) == []


def test_changed_value_updates_index_and_token(orm: Orm) -> None:
    row, before = ada(orm), stored(orm, "email_index")
    row.email, row.born = "lovelace@example.com", None
    orm.save(row)
    assert stored(orm, "email_index") != before
    assert stored(orm, "born") == stored(orm, "name_born_index") == [None]
    assert orm.find(PEOPLE, "email", "ada@example.com") == []
    assert [each.id for each in orm.find(PEOPLE, "email", "lovelace@example.com")] == [row.id]
    assert len(orm.where(PEOPLE, "born", None)) == 1


@pytest.mark.parametrize(
    ("way", "name", "value", "message"),
    [
        ("where", "email", 5, "type int; pass str, as the field is declared"),
        ("where", "email", ["a", 5], "type int; pass str, as the field is declared"),
        ("find", "email", 5, "type int; pass str, as the field is declared"),
        ("exactly", "email", 5, "type int; pass str, as the field is declared"),
        ("find", "name_born", ("Ada", "1815-12-10"), "type str; pass date"),
        ("find", "name_born", ("Ada", datetime.now(UTC)), "type datetime; pass date"),
    ],
)
def test_search_for_a_value_of_another_type_raises(
    orm: Orm, way: str, name: str, value: object, message: str
) -> None:
    with pytest.raises(EncryptionError, match=message):
        getattr(orm, way)(PEOPLE, name, value)


@pytest.mark.parametrize("value", ["ada@example.com", b"ada@example.com", "sr3.nonsense", 7])
def test_plaintext_that_bypasses_the_object_raises(orm: Orm, value: object) -> None:
    ada(orm)
    before = stored(orm, "email")
    with pytest.raises(EncryptionError, match="is not an encrypted token"):
        orm.write_token(PEOPLE, "email", value)
    assert stored(orm, "email") == before


def test_objects_inserted_together_are_encrypted_and_indexed(orm: Orm) -> None:
    owner = orm.owner(PEOPLE)
    orm.add_all([owner(email=f"user{number}@example.com") for number in range(20)])
    assert len(orm.find(PEOPLE, "email", "user7@example.com")) == 1
    assert len(emails(orm.all(PEOPLE))) == 20


def test_loading_rows_needs_no_key_until_an_attribute_is_read(
    orm: Orm, vault: MemoryApplication, key_engine: Engine
) -> None:
    ada(orm)
    use_data_keys(TableDataKeys(key_engine))  # of which none is cached
    with vault.fault(Fault.UNREACHABLE):
        (row,) = orm.all(PEOPLE)
        assert row.city == "London"
    assert row.email == "Ada@Example.com"


def test_pickle_and_state_hold_no_plain_value(orm: Orm) -> None:
    row = ada(orm)
    assert row.email == "Ada@Example.com"
    assert b"Ada@" not in pickle.dumps(row)
    assert "Ada@" not in repr(vars(row))


def test_unsaved_object_returns_assigned_values(orm: Orm) -> None:
    row = orm.owner(PEOPLE)(email="ada@example.com")
    assert (row.email, row.name) == ("ada@example.com", None)


def test_value_of_another_type_is_rejected_and_leaves_the_one_before_it(orm: Orm) -> None:
    owner = orm.owner(PEOPLE)
    with pytest.raises(EncryptionError, match="a value of type str; pass date"):
        owner(email="a@b.c", born="1815-12-10")
    for row in (ada(orm), owner(email="Ada@Example.com")):
        with pytest.raises(EncryptionError, match="a value of type int"):
            row.email = 7
        assert row.email == "Ada@Example.com"


def test_value_that_was_changed_and_not_assigned_is_read_as_it_is_stored(orm: Orm) -> None:
    row = orm.owner(PROFILES)(notes={"a": 1}, tags=["a"])
    orm.add(row)
    row.notes["b"] = 2
    row.tags.append("b")
    orm.save(row)
    orm.refresh(row)
    assert (row.notes, row.tags) == ({"a": 1}, ["a"])
    row.notes = {**row.notes, "b": 2}
    orm.save(row)
    assert orm.all(PROFILES)[0].notes == {"a": 1, "b": 2}


def test_self_contained_attribute_writes_tokens_that_carry_their_data_key(orm: Orm) -> None:
    orm.add(row := orm.owner(LETTERS)(before="Dear Ada", after="Dear Ada"))
    assert isinstance(orm.token(row, "before"), str)
    assert isinstance(orm.token(row, "after"), bytes)
    orm.run("UPDATE letters SET text = text_2")  # as if its application had written it
    (row,) = orm.all(LETTERS)
    assert (row.before, row.after) == ("Dear Ada", "Dear Ada")


def test_key_that_another_database_generates_is_refused_before_the_insert(orm: Orm) -> None:
    owner = orm.owner(NUMBERED)
    row = owner(email="ada@example.com")
    for write, rows in ((orm.add, row), (orm.add_all, [row])):
        with pytest.raises(EncryptionError, match=r"umbered\.id: .* no sequence of PostgreSQL"):
            write(rows)
    assert orm.all(NUMBERED) == []
    row = owner(id=7, email="ada@example.com")
    orm.add(row)
    assert orm.get(NUMBERED, 7).email == "ada@example.com"


def test_context_without_the_primary_key_raises(orm: Orm) -> None:
    wrong = Table(
        "ContractWrong",
        "wrong",
        {"city": Plain(), "email": Encrypted("wrong.email", context=("city",))},
    )
    with pytest.raises(ConfigurationError, match="primary key among them"):
        orm.owner(wrong)
