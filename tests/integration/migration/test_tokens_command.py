"""Command ``migrate`` from tokens to others or to plaintext, beside versions of a mapped class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from app_integration.errors import EncryptionError
from tests.support.migrations.lodgers import House, open_house
from tests.support.models.migrated_lodger import PLANS
from tests.support.processes.command import CommandLine
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]


@pytest.fixture(params=[*PLANS])
def house(
    request: pytest.FixtureRequest,
    deployment: Deployment,
    tmp_path: Path,
    command_line: CommandLine,
) -> Iterator[House]:
    with open_house(request.param, deployment, tmp_path, command_line) as house:
        yield house


open_only = pytest.mark.parametrize("house", ["plaintext"], indirect=True)


def test_tokens_are_replaced_beside_each_two_versions(house: House) -> None:
    shown = house.run("plan")
    assert f"the columns {', '.join(house.added)} and the guard are added" in shown
    assert f"{', '.join(house.old_columns)} and the guard are dropped" in shown
    assert "the removal of old tokens needs" in shown
    house.begin()
    house.check_old_tokens()
    with house.beside("dual-writing", "switched"):
        switched = house.run("run")
    assert f"switched: deploy the version that reads {house.new_values}" in switched
    assert house.read("switched") == house.read("before") == house.values
    with house.beside("switched", "nulling"):
        pass
    with house.beside("nulling"):
        nulled = house.run("run", "--null", "--yes", "--duty", "1")
    assert "nulled: no row of the table has old tokens" in nulled
    with house.beside("nulling", "after"):
        pass
    with house.beside("after"):
        dropped = house.run("run", "--drop", "--yes")
    assert "have the old tokens" in dropped
    assert house.columns() == {"id", "visits", *house.kept}
    assert house.read("after") == house.values


# Those of the other kinds differ in what is restored only, see test_token_courses.py.
@pytest.mark.parametrize("house", ["key", "text", "plaintext"], indirect=True)
def test_way_back_has_what_each_version_wrote(house: House) -> None:
    house.begin()
    house.run("run")
    with house.beside("switched", "nulling"):
        pass
    house.run("run", "--null", "--yes", "--duty", "1")
    with house.beside("nulling", "after"):
        pass
    undone = house.run("undo", "--yes")
    assert f"writes old tokens and {house.new_values} (phase switched)" in undone
    with house.beside("switched", "nulling"):
        pass
    with house.beside("switched"):
        assert "let the application read old tokens" in house.run("undo", "--yes", "--duty", "1")
    house.check_old_tokens()
    with house.beside("dual-writing", "switched"):
        pass
    house.run("undo", "--yes")
    with house.beside("before", "dual-writing"):
        pass
    assert "undone: the table is as it was" in house.run("undo", "--yes")
    with house.beside("before"):
        pass
    house.check_old_tokens()
    assert house.columns() == {"id", "visits", *house.old_columns}


@pytest.mark.parametrize("house", ["key"], indirect=True)
def test_plan_says_what_a_pass_over_new_tokens_does(house: House) -> None:
    assert "decrypted and compared with its old tokens" in house.run("plan")


@open_only
def test_plaintext_is_written_only_if_a_person_wants_it(house: House) -> None:
    before = house.columns()
    warning = "values of name_plain will be readable in the table lodgers, in the write-ahead log"
    shown = house.run("plan")
    assert warning in shown
    assert "each old token is decrypted and compared with its plaintext" in shown
    assert "name, name_index are set NULL where the row has its plaintext" in shown
    refused = house.run("run", code=1)
    assert warning in refused
    assert "Pass --decrypt" in refused
    house.run("run", "--decrypt", code=1)  # nobody answers
    assert house.columns() == before
    assert "It waits until" in house.run("run", "--decrypt", "--yes", code=2)
    assert "Pass --decrypt" in house.run("run", "--wait", code=1)
    house.run("undo", "--yes")
    assert house.columns() == before


@open_only
def test_changed_key_needs_the_value_again(house: House) -> None:
    house.begin()
    old, new = next(iter(house.values)), uuid4()
    with Session(house.engine) as session:
        row = session.get_one(house.versions["dual-writing"], old)
        row.id = new
        with pytest.raises(EncryptionError, match="assign the value again too"):
            session.flush()
        session.rollback()
        row.id, row.name = new, row.name
        session.commit()
    house.values[new] = house.values.pop(old)
    house.run("run")
    assert house.read("before") == house.read("switched") == house.values
