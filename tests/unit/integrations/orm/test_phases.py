"""Attributes under migration in either ORM: what each phase of the application reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest
from sqlalchemy import Engine

from app_integration import use_data_keys
from app_integration.encryption.keys.stores.table import TableDataKeys
from app_integration.errors import EncryptionError
from app_integration.integrations.plaintext import Phase
from app_integration.testing import Fault, MemoryApplication
from tests.support.orms.members import members
from tests.support.orms.orm import Key, Table
from tests.support.orms.orms import Orm

MEMBERS: Final = {phase: members(Key.DRAWN, phase) for phase in Phase}
DUAL: Final = MEMBERS[Phase.DUAL_WRITING]


@pytest.fixture(autouse=True)
def tables(orm: Orm) -> Iterator[None]:
    with orm.tables(DUAL):
        yield


@pytest.fixture(params=[*Phase])
def phase(request: pytest.FixtureRequest) -> Phase:
    found: Phase = request.param
    return found


def add(orm: Orm, table: Table, **values: Any) -> Any:
    row = orm.owner(table)(club="a", **values)
    orm.add(row)
    return row


def stored(orm: Orm) -> list[tuple[Any, ...]]:
    return orm.run("SELECT email, email_token, email_index, born, born_token FROM members")


def plain(phase: Phase, value: str) -> str | None:
    return None if phase is Phase.NULLING else value


def test_find_compares_the_plaintext_while_it_is_read(orm: Orm) -> None:
    row = add(orm, DUAL, email="Ada@x.com")
    assert [each.id for each in orm.find(DUAL, "email", "Ada@x.com")] == [row.id]
    assert orm.find(DUAL, "email", "ada@x.com") == []
    assert len(orm.exactly(DUAL, "email", "ada@x.com")) == 1
    with pytest.raises(EncryptionError, match="has no index"):
        orm.find(DUAL, "born", date(2001, 1, 1))  # else it would fail only in the next phase


def test_reading_the_plaintext_needs_no_key(
    orm: Orm, vault: MemoryApplication, key_engine: Engine
) -> None:
    row = add(orm, DUAL, email="a@x.com")
    use_data_keys(TableDataKeys(key_engine))  # of which none is cached
    with vault.fault(Fault.UNREACHABLE):
        row = orm.get(DUAL, row.id)
        assert row.email == "a@x.com"
        row.visits += 1
        orm.save_only(row, "visits")


def test_assigned_value_is_read_before_it_is_saved(orm: Orm, phase: Phase) -> None:
    row = orm.owner(MEMBERS[phase])(club="a", email="a@x.com")
    assert row.email == "a@x.com"
    row.email = "b@x.com"
    assert row.email == "b@x.com"
    orm.add(row)
    ((email, *encrypted),) = stored(orm)
    assert email == plain(phase, "b@x.com")
    assert None not in encrypted[:2]
    assert orm.get(MEMBERS[phase], row.id).email == "b@x.com"


@pytest.mark.parametrize("value", [7, b"a@x.com"])
def test_value_of_a_wrong_type_is_not_saved(orm: Orm, phase: Phase, value: object) -> None:
    with pytest.raises(EncryptionError, match=f"a value of type {type(value).__name__}"):
        add(orm, MEMBERS[phase], email=value)
    assert stored(orm) == []


def test_changed_attribute_leaves_the_other_pair(orm: Orm, phase: Phase) -> None:
    key = add(orm, MEMBERS[phase], email="a@x.com", born=date(2001, 1, 1)).id
    (before,) = stored(orm)
    row = orm.get(MEMBERS[phase], key)
    row.email = "b@x.com"
    orm.save(row)
    (after,) = stored(orm)
    assert after[0] == plain(phase, "b@x.com")
    assert (after[1] != before[1], after[2] != before[2]) == (True, True)
    row = orm.get(MEMBERS[phase], key)
    assert (row.email, row.born) == ("b@x.com", date(2001, 1, 1))


def test_row_that_was_not_backfilled_is_no_empty_value(orm: Orm) -> None:
    key = add(orm, DUAL, email="a@x.com").id
    orm.run("UPDATE members SET email_token = NULL, email_index = NULL")
    for phase in (Phase.SWITCHED, Phase.NULLING):
        row = orm.get(MEMBERS[phase], key)
        with pytest.raises(EncryptionError, match="a plaintext and no token"):
            assert row.email
        row.visits += 1
        orm.save_only(row, "visits")
    assert stored(orm)[0][:2] == ("a@x.com", None)


def test_nulling_object_shows_no_plain_value(orm: Orm) -> None:
    row = add(orm, MEMBERS[Phase.NULLING], email="a@x.com")
    assert row.email == "a@x.com"
    assert "a@x" not in repr(vars(row))
