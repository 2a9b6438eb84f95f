"""Random changes of rows under migration, by versions of a Django project in turn.

After each save the rule of the guard holds: what a token is of, and what it is bound to, changes
only with the token. And each token opens to the value that was written last.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from app_integration import default_client
from app_integration.integrations.orm_values import token_from_bytes
from app_integration.integrations.plaintext import Phase
from app_integration.testing import MemoryApplication
from tests.support.databases import django_project
from tests.support.databases.memory_keys import memory_key_tables

django_project.set_up()

from django.db import connection, models  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    create_index_keys,
)

STEPS: Final = 500
CLUBS: Final = ("a", "b", "c")
EMAILS: Final = (None, "", "a@x.com", "A@x.com", "ü@x.com")
BIRTHS: Final = (None, date(1815, 12, 10), date(1, 1, 1))


def player_model(in_phase: Phase) -> Any:
    """Return the model of the project in one phase."""

    class Player(EncryptedModel):
        id = models.UUIDField(primary_key=True, default=uuid4)
        club = models.TextField()
        visits = models.IntegerField(default=0)
        email_plain = models.TextField(db_column="email", null=True)  # noqa: DJ001 (as it was)
        born_plain = models.DateField(db_column="born", null=True)
        email = EncryptedField(
            "players.email",
            context=["id", "club"],
            index="email_index",
            null=True,
            db_column="email_token",
            plaintext="email_plain",
            phase=in_phase,
        )
        born = EncryptedField(
            "players.born",
            date,
            context=["id", "club"],
            null=True,
            db_column="born_token",
            plaintext="born_plain",
            phase=in_phase,
        )
        email_index = BlindIndexField(
            "players.email", of=["email"], rows=1_000_000, normalise="email"
        )

        class Meta:
            app_label = f"players_{in_phase.name.lower()}"
            db_table = "players"

    return Player


MODELS: Final = {phase: player_model(phase) for phase in Phase}


@pytest.fixture(autouse=True)
def _tables(vault: MemoryApplication) -> Iterator[None]:
    model = MODELS[Phase.SWITCHED]
    with memory_key_tables(vault), django_project.tables(model):
        create_index_keys(model)
        yield


class Site:
    """One row, changed by objects of two versions of the project in turn."""

    def __init__(self, seed: int, versions: tuple[Phase, Phase]) -> None:
        self.chance = random.Random(seed)  # noqa: S311 (an order of steps)
        self.versions, self.phase = versions, versions[0]
        self.checks = 0
        self.stored: dict[str, Any] = {}
        self.row = MODELS[self.phase].objects.create(club="a", email="a@x.com")
        self.expected: dict[str, Any] = {"id": self.row.id, "club": "a"}
        self.expected |= {"email": "a@x.com", "born": None}
        self.saved = dict(self.expected)
        self.check()

    def run(self) -> int:
        """Make random changes, and return how many writes were checked.

        Each is as frequent as its place in the list says.
        """
        steps = [self.assign] * 5 + [self.move] * 2 + [self.look] * 3 + [self.save] * 2
        steps += [self.save_fields, self.save_bulk, self.upsert, self.copy, self.clear]
        steps += [self.refresh, self.load, self.load_part, self.save_another, self.deploy]
        for _ in range(STEPS):
            self.chance.choice(steps)()
        return self.checks

    def assign(self) -> None:
        name, values = self.chance.choice([("email", EMAILS), ("born", BIRTHS)])
        self.expected[name] = self.chance.choice(values)
        setattr(self.row, name, self.expected[name])

    def move(self) -> None:
        self.expected["club"] = self.row.club = self.chance.choice(CLUBS)

    def look(self) -> None:
        assert (self.row.email, self.row.born) == (self.expected["email"], self.expected["born"])

    def save(self) -> None:
        self.row.save()
        self.written()

    def choose(self) -> list[str]:
        """Return fields to write, a changed context among them."""
        chosen = self.chance.sample(["email", "born", "club"], self.chance.randint(1, 3))
        return chosen if self.saved["club"] == self.expected["club"] else [*{*chosen, "club"}]

    def save_fields(self) -> None:
        fields = self.choose()
        self.row.save(update_fields=fields)
        self.written(fields)

    def save_bulk(self) -> None:
        fields = self.choose()
        type(self.row).objects.bulk_update([self.row], fields)
        self.written(fields)

    def upsert(self) -> None:
        fields = self.choose()
        type(self.row).objects.bulk_create(
            [self.row], update_conflicts=True, update_fields=fields, unique_fields=["id"]
        )
        self.written(fields)

    def copy(self) -> None:
        self.load()  # because what was not loaded cannot be after the deletion
        type(self.row).objects.all().delete()
        self.expected["id"] = self.row.pk = uuid4()
        self.row._state.adding = True
        self.row.save()
        self.stored = {}
        self.written()

    def clear(self) -> None:
        self.save()
        name = self.chance.choice(["email", "born"])
        type(self.row).objects.update(**{name: None})
        self.saved[name] = None
        self.check()
        self.load()

    def save_another(self) -> None:
        self.row.visits += 1
        self.row.save(update_fields=["visits"])
        self.check()

    def refresh(self) -> None:
        self.row.refresh_from_db()
        self.expected = dict(self.saved)

    def load(self) -> None:
        self.row = MODELS[self.phase].objects.get()
        self.expected = dict(self.saved)

    def load_part(self) -> None:
        names = ["email", "born", "club", "visits", "email_plain", "born_plain"]
        some = self.chance.sample(names, self.chance.randint(1, 5))
        rows = MODELS[self.phase].objects
        rows = self.chance.choice([rows.only, rows.defer])(*some)
        self.row = rows.get()
        self.expected = dict(self.saved)

    def deploy(self) -> None:
        self.phase = next(each for each in self.versions if each is not self.phase)
        self.load()

    def written(self, fields: list[str] | None = None) -> None:
        """Take as saved what is expected: all, or *fields* and what is bound to them."""
        names = {*(fields or self.expected)}
        if "club" in names:
            names |= {"email", "born"}
        self.saved |= {name: self.expected[name] for name in names}
        self.check()

    def check(self) -> None:
        self.checks += 1
        before, self.stored = self.stored, self.read()
        assert (self.stored["id"], self.stored["club"]) == (self.saved["id"], self.saved["club"])
        for name, kind in (("email", str), ("born", date)):
            value, token = self.saved[name], self.stored[f"{name}_token"]
            bound = (name, "id", "club")
            if before and any(before[each] != self.stored[each] for each in bound):
                assert token is None or token != before[f"{name}_token"]
            plain = self.stored[name]
            assert plain == value or (plain is None and Phase.NULLING in self.versions)
            assert (token is None) == (value is None)
            if token is not None:
                assert self.open(name, kind, token) == value
        index = MODELS[self.phase]._meta.get_field("email_index").blind_index
        assert self.stored["email_index"] == index.value(self.saved["email"])

    def open(self, name: str, kind: type, token: bytes) -> Any:
        cipher = default_client.get_default_client().cipher("pii")
        field = cipher.field(f"players.{name}", ["id", "club"], kind)
        return field.decrypt(token_from_bytes(token), self.stored["id"], self.stored["club"])

    def read(self) -> dict[str, Any]:
        names = ["id", "club", "email", "email_token", "email_index", "born", "born_token"]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(names)} FROM players")
            (row,) = cursor.fetchall()
        found = dict(zip(names, row, strict=True))
        return {**found, "id": UUID(found["id"])}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("versions", [*pairwise(Phase)])
def test_rule_of_the_guard_holds_after_each_save(versions: tuple[Phase, Phase], seed: int) -> None:
    assert Site(seed, versions).run() > STEPS // 5
