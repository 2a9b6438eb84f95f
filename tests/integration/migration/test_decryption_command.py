"""Command ``migrate`` from tokens to plaintext, beside two versions of a mapped class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from app_integration import database_engine
from app_integration.errors import EncryptionError
from app_integration.integrations.sqlalchemy import find
from tests.integration.migration.test_reencryption_command import House, open_house
from tests.support.models.decrypted_lodger import COLUMN, lodger_class
from tests.support.models.reencrypted_lodger import INDEX_KEYS, VERSIONS
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

BEFORE: set[str] = {"id", "visits", "name", "name_index"}


class OpenHouse(House):
    """A table of lodgers whose names become plaintext, and the versions of its application."""

    def __post_init__(self) -> None:
        self.versions = {name: lodger_class(name) for name in VERSIONS}
        document = {
            "migration": "lodgers",
            "service": "gaara-store",
            "table": "lodgers",
            "columns": {"name": COLUMN},
            "index_keys": INDEX_KEYS,
            "quiet_for": "1s",
        }
        self.file.write_text(yaml.safe_dump(document))

    def write(self, version: str, key: UUID, name: str | None) -> None:
        owner = self.versions[version]
        with Session(self.engine) as session:
            row = session.get_one(owner, key)
            assert row.name == self.values[key]
            row.name = row.name  # an equal value, with a fresh token or without one
            session.commit()
            row.name = name
            row.visits += 1
            session.commit()
            self.values[key] = name
            row.visits += 1
            session.commit()
            if name is not None and version in VERSIONS[:2]:
                assert row in find(session, owner.name_old, name)
            elif name is not None:
                query = select(owner).where(owner.name_plain == name)
                assert row in session.scalars(query).all()

    def begin(self) -> None:
        """Go on until the guard refuses the version before, which is reported first."""
        self.run("run", "--decrypt", "--yes", code=2)
        with self.beside("before", "dual-writing"):
            pass
        assert "without plaintext" in self.run("status")
        options = ("--decrypt", "--yes", "--wait", "--postpone", "--duty", "1")
        with self.beside("dual-writing"):
            assert "indexed:" in self.run("run", *options)


@pytest.fixture
def house(
    deployment: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[OpenHouse]:
    file, root = tmp_path / "lodgers.yaml", deployment.layout.root
    house = OpenHouse("plaintext", database_engine(), file, root, monkeypatch, capsys)
    with open_house(house):
        yield house


def test_plaintext_is_written_only_if_a_person_wants_it(house: OpenHouse) -> None:
    warning = "values of name_plain will be readable in the table lodgers, in the write-ahead log"
    assert warning in house.run("plan")
    refused = house.run("run", code=1)
    assert warning in refused
    assert "Pass --decrypt" in refused
    house.run("run", "--decrypt", code=1)  # nobody answers
    assert house.columns() == BEFORE
    assert "It waits until" in house.run("run", "--decrypt", "--yes", code=2)
    assert "Pass --decrypt" in house.run("run", "--wait", code=1)
    house.run("undo", "--yes")
    assert house.columns() == BEFORE


def test_changed_key_needs_the_value_again(house: OpenHouse) -> None:
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


def test_tokens_become_plaintext_beside_each_two_versions(house: OpenHouse) -> None:
    shown = house.run("plan")
    assert "the columns name_plain, name_plain_token_hash and the guard are added" in shown
    assert "each old token is decrypted and compared with its plaintext" in shown
    assert "name, name_index are set NULL where the row has its plaintext" in shown
    assert "name, name_index and the guard are dropped" in shown
    house.begin()
    assert house.read("before") == house.values
    with house.beside("dual-writing", "switched"):
        assert "switched: deploy the version that reads plaintext" in house.run("run")
    assert house.read("switched") == house.read("before") == house.values
    with house.beside("switched", "nulling"):
        pass
    with house.beside("nulling"):
        nulled = house.run("run", "--null", "--yes", "--duty", "1")
    assert "nulled: no row has old tokens" in nulled
    with house.beside("nulling", "after"):
        pass
    with house.beside("after"):
        dropped = house.run("run", "--drop", "--yes")
    assert "have the old tokens" in dropped
    assert house.columns() == {"id", "visits", "name_plain"}
    assert house.read("after") == house.values


def test_way_back_has_what_each_version_wrote(house: OpenHouse) -> None:
    house.begin()
    house.run("run")
    with house.beside("switched", "nulling"):
        pass
    house.run("run", "--null", "--yes", "--duty", "1")
    with house.beside("nulling", "after"):
        pass
    assert "writes old tokens and plaintext (phase switched)" in house.run("undo", "--yes")
    with house.beside("switched", "nulling"):
        pass
    with house.beside("switched"):
        assert "let the application read old tokens" in house.run("undo", "--yes", "--duty", "1")
    assert house.read("before") == house.values
    with house.beside("dual-writing", "switched"):
        pass
    house.run("undo", "--yes")
    with house.beside("before", "dual-writing"):
        pass
    assert "undone: the table is as it was" in house.run("undo", "--yes")
    with house.beside("before"):
        pass
    assert house.read("before") == house.values
    assert house.columns() == BEFORE
