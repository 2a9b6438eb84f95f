"""Random changes of rows under migration, by versions of an application of either ORM in turn.

After each write the rule of the guard holds: what a token is of, and what it is bound to, changes
only with the token. And each token opens to the value that was written last.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app_integration import default_client
from app_integration.integrations import sqlalchemy as mapped
from app_integration.integrations.orm_values import token_from_bytes
from app_integration.integrations.plaintext import Phase
from tests.support.orms.members import members
from tests.support.orms.orm import Key, Table
from tests.support.orms.orms import Orm

STEPS: Final = 500
CLUBS: Final = ("a", "b", "c")
VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "email": (None, "", "a@x.com", "A@x.com", "ü@x.com"),
    "born": (None, date(1815, 12, 10), date(1, 1, 1)),
}
KINDS: Final = {"email": str, "born": date}
COLUMNS: Final = "member_id, club, email, email_token, email_index, born, born_token"


TABLES: Final = {phase: members(Key.DRAWN, phase) for phase in Phase}


class Site(ABC):
    """One row, changed by objects of two versions of the application in turn."""

    def __init__(self, orm: Any, seed: int, versions: tuple[Phase, Phase]) -> None:
        self.orm = orm
        self.chance = random.Random(seed)  # noqa: S311 (an order of steps)
        self.versions, self.phase = versions, versions[0]
        self.checks = 0
        self.stored: dict[str, Any] = {}
        self.row = orm.owner(self.table)(club="a", email="a@x.com")
        orm.add(self.row)
        self.expected = {"id": self.row.id, "club": "a", "email": "a@x.com", "born": None}
        self.saved = dict(self.expected)
        self.check()

    @property
    def table(self) -> Table:
        return TABLES[self.phase]

    @property
    @abstractmethod
    def own(self) -> list[Callable[[], None]]:
        """Return the steps of one ORM."""

    def run(self) -> int:
        """Make random changes, and return how many writes were checked.

        Each is as frequent as its place in the list says.
        """
        steps = [self.assign] * 5 + [self.move] * 2 + [self.look] * 3 + [self.save] * 2
        steps += [self.refresh, self.save_another, self.deploy, *self.own]
        for _ in range(STEPS):
            self.chance.choice(steps)()
        self.save()
        return self.checks

    def assign(self) -> None:
        name = self.chance.choice(["email", "born"])
        self.expected[name] = self.chance.choice(VALUES[name])
        setattr(self.row, name, self.expected[name])
        self.rewrite(name)

    def rewrite(self, *names: str) -> None:  # noqa: B027 (one ORM expects nothing)
        """Expect that this version writes these attributes."""

    def move(self) -> None:
        self.expected["club"] = self.row.club = self.chance.choice(CLUBS)

    def look(self) -> None:
        assert (self.row.email, self.row.born) == (self.expected["email"], self.expected["born"])

    def save(self) -> None:
        self.orm.save(self.row)
        self.saved = dict(self.expected)
        self.check()

    def save_another(self) -> None:
        self.row.visits += 1
        self.orm.save_only(self.row, "visits")
        self.check()

    def refresh(self) -> None:
        self.orm.refresh(self.row)
        self.expected = dict(self.saved)

    def load(self) -> None:
        self.row = self.orm.get(self.table, self.saved["id"])
        self.expected = dict(self.saved)

    def deploy(self) -> None:
        self.phase = next(each for each in self.versions if each is not self.phase)
        self.load()

    def check(self) -> None:
        self.checks += 1
        before, self.stored = self.stored, self.read()
        assert (self.stored["id"], self.stored["club"]) == (self.saved["id"], self.saved["club"])
        for name in KINDS:
            value, token = self.saved[name], self.stored[f"{name}_token"]
            if before and any(before[each] != self.stored[each] for each in (name, "id", "club")):
                assert token is None or token != before[f"{name}_token"]
            self.check_plain(name)
            assert (token is None) == (value is None)
            if token is not None:
                assert self.open(name, token) == value
        index = self.orm.index(self.table, "email")
        assert self.stored["email_index"] == index.value(self.saved["email"])

    @abstractmethod
    def check_plain(self, name: str) -> None:
        """Check the plaintext column of an attribute."""

    def open(self, name: str, token: bytes) -> Any:
        cipher = default_client.get_default_client().cipher("pii")
        field = cipher.field(f"members.{name}", ["id", "club"], KINDS[name])
        return field.decrypt(token_from_bytes(token), self.stored["id"], self.stored["club"])

    def read(self) -> dict[str, Any]:
        (row,) = self.rows(f"SELECT {COLUMNS} FROM members")
        found = dict(zip(COLUMNS.split(", "), row, strict=True))
        born = found["born"]  # which SQLite has as text
        born = date.fromisoformat(born) if isinstance(born, str) else born
        return {**found, "id": UUID(found["member_id"]), "born": born}

    def rows(self, query: str) -> list[Any]:
        return list(self.orm.run(query))


class DjangoSite(Site):
    """A site whose objects are loaded and written in part, and in bulk."""

    @property
    def own(self) -> list[Callable[[], None]]:
        steps = [self.save_fields, self.save_bulk, self.upsert, self.copy, self.clear]
        return [*steps, self.load, self.load_part]

    def check_plain(self, name: str) -> None:
        """Check it, as objects write what they have loaded: any version may have written it."""
        plain = self.stored[name]
        assert plain == self.saved[name] or (plain is None and Phase.NULLING in self.versions)

    def choose(self) -> list[str]:
        """Return fields to write, a changed context among them."""
        chosen = self.chance.sample(["email", "born", "club"], self.chance.randint(1, 3))
        return chosen if self.saved["club"] == self.expected["club"] else [*{*chosen, "club"}]

    def save_fields(self) -> None:
        self.row.save(update_fields=(fields := self.choose()))
        self.written(fields)

    def save_bulk(self) -> None:
        type(self.row).objects.bulk_update([self.row], fields := self.choose())
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
        self.stored = {}
        self.save()

    def clear(self) -> None:
        self.save()
        name = self.chance.choice(["email", "born"])
        type(self.row).objects.update(**{name: None})
        self.saved[name] = None
        self.check()
        self.load()

    def load_part(self) -> None:
        names = ["email", "born", "club", "visits", "email_plain", "born_plain"]
        some = self.chance.sample(names, self.chance.randint(1, 5))
        rows = type(self.row).objects
        self.row = self.chance.choice([rows.only, rows.defer])(*some).get()
        self.expected = dict(self.saved)

    def written(self, fields: list[str]) -> None:
        """Take as saved what *fields* are expected to be, and what is bound to them."""
        names = {*fields} | ({"email", "born"} if "club" in fields else set())
        self.saved |= {name: self.expected[name] for name in names}
        self.check()


class SqlAlchemySite(Site):
    """A site whose key changes, and whose session flushes, rolls back and merges.

    ``<name>_plain`` of what is expected is whether a version that does not null wrote it last.
    """

    def __init__(self, orm: Any, seed: int, versions: tuple[Phase, Phase]) -> None:
        orm.session.autoflush = False
        super().__init__(orm, seed, versions)
        self.expected |= {"email_plain": True, "born_plain": True}
        self.save()

    @property
    def own(self) -> list[Callable[[], None]]:
        return [self.flush, self.roll_back, self.expire, self.renew, self.merge]

    def check_plain(self, name: str) -> None:
        is_plain = self.saved.get(f"{name}_plain", True)
        assert self.stored[name] == (self.saved[name] if is_plain else None)

    def rows(self, query: str) -> list[Any]:
        return list(self.orm.session.execute(text(query)))  # within the transaction

    def rewrite(self, *names: str) -> None:
        for name in names:
            self.expected[f"{name}_plain"] = self.phase is not Phase.NULLING

    def move(self, name: str | None = None) -> None:
        name = name or self.chance.choice(["id", "club"])
        value = uuid4() if name == "id" else self.chance.choice(CLUBS)
        setattr(self.row, name, value)
        if value != self.expected[name]:
            self.rewrite(*(each for each in KINDS if self.expected[each] is not None))
        self.expected[name] = value

    def save(self) -> None:
        super().save()
        self.committed = dict(self.saved)

    def save_another(self) -> None:
        self.row.visits += 1

    def load(self) -> None:
        self.save()
        super().load()

    def deploy(self) -> None:
        self.save()
        super().deploy()

    def flush(self) -> None:
        self.orm.session.flush()
        self.saved = dict(self.expected)
        self.check()

    def roll_back(self) -> None:
        self.orm.session.rollback()
        self.saved, self.expected = dict(self.committed), dict(self.committed)
        self.stored = self.read()

    def expire(self) -> None:
        self.orm.session.expire(self.row)
        self.expected = dict(self.saved)

    def renew(self) -> None:
        mapped.renew(self.row)
        self.rewrite(*(each for each in KINDS if self.expected[each] is not None))

    def merge(self) -> None:
        self.save()  # because a rollback would not give the merged object its key back
        self.look()
        self.orm.session.refresh(self.row)
        self.orm.session.expunge(self.row)
        for _ in range(self.chance.randrange(3)):
            self.assign()
        if self.chance.random() < 0.5:
            self.move("club")
        self.row = self.orm.session.merge(self.row)


SITES: Final[dict[str, type[Site]]] = {
    "SqlAlchemyOrm": SqlAlchemySite,
    "DjangoOrm": DjangoSite,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("versions", [*pairwise(Phase)])
def test_rule_of_the_guard_holds_after_each_write(
    orm: Orm, versions: tuple[Phase, Phase], seed: int
) -> None:
    with orm.tables(TABLES[Phase.SWITCHED]):
        assert SITES[type(orm).__name__](orm, seed, versions).run() > STEPS // 5
