"""Random changes of rows under migration, by versions of the application in turn.

After each flush the rule of the guard holds: what a token is of, and what it is bound to, changes
only with the token. And each token opens to the value that was written last.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app_integration import default_client
from app_integration.integrations.orm_values import token_from_bytes
from app_integration.integrations.plaintext import Phase
from app_integration.integrations.sqlalchemy import renew
from app_integration.testing import MemoryApplication
from tests.support.models.migrated_user import CLASSES, user_tables

STEPS: Final = 600
OWNERS: Final = tuple(uuid4() for _ in range(3))
VALUES: Final = (None, "", "a@x.com", "A@x.com", "b@x.com", "ü@x.com")


@dataclass(frozen=True)
class Expected:
    """A row as it should be.

    Attributes:
        id: Its key.
        owner_id: What its tokens are bound to, too.
        email: A value with an index.
        phone: A value without one.
        is_plain: For both values, whether a version that does not null has written it last.

    """

    id: UUID
    owner_id: UUID
    email: str | None
    phone: str | None
    is_plain: tuple[bool, bool]


class Site:
    """One row, changed by sessions of two versions of the application in turn."""

    def __init__(self, engine: Engine, seed: int, versions: tuple[Phase, Phase]) -> None:
        self.engine, self.versions, self.checks = engine, versions, 0
        self.chance = random.Random(seed)  # noqa: S311 (an order of steps)
        self.phase = versions[0]
        self.expected = self.flushed = self.committed = Expected(
            uuid4(), OWNERS[0], "a@x.com", None, (True, True)
        )
        self.session = Session(engine, autoflush=False)
        owner = CLASSES[self.phase].owner_class
        self.session.add_all([owner(id=each) for each in OWNERS])
        self.row = CLASSES[self.phase](id=self.expected.id, owner_id=OWNERS[0], email="a@x.com")
        self.session.add(self.row)
        self.session.flush()
        self.stored = self.read()
        self.commit()

    def run(self) -> int:
        """Make random changes, and return how many flushes were checked.

        Each is as frequent as its place in the list says.
        """
        steps: list[Callable[[], None]] = [self.assign] * 6 + [self.move] * 3 + [self.look] * 4
        steps += [self.flush, self.commit, self.roll_back, self.expire, self.refresh, self.renew]
        steps += [self.merge, self.deploy, self.change_another]
        for _ in range(STEPS):
            self.chance.choice(steps)()
        self.commit()
        return self.checks

    def assign(self) -> None:
        name, value = self.chance.choice(["email", "phone"]), self.chance.choice(VALUES)
        setattr(self.row, name, value)
        new: dict[str, Any] = {name: value}
        self.expected = replace(self.written(name), **new)

    def move(self, name: str | None = None) -> None:
        name = name or self.chance.choice(["id", "owner_id"])
        value = uuid4() if name == "id" else self.chance.choice(OWNERS)
        setattr(self.row, name, value)
        if value != getattr(self.expected, name):
            self.rewrite()
        new: dict[str, Any] = {name: value}
        self.expected = replace(self.expected, **new)

    def rewrite(self) -> None:
        for each in ("email", "phone"):
            if getattr(self.expected, each) is not None:
                self.expected = self.written(each)

    def change_another(self) -> None:
        self.row.visits += 1

    def renew(self) -> None:
        renew(self.row)
        self.rewrite()

    def look(self) -> None:
        assert (self.row.email, self.row.phone) == (self.expected.email, self.expected.phone)

    def written(self, name: str) -> Expected:
        email, phone = self.expected.is_plain
        is_plain = self.phase is not Phase.NULLING
        new = (is_plain, phone) if name == "email" else (email, is_plain)
        return replace(self.expected, is_plain=new)

    def flush(self) -> None:
        self.session.flush()
        self.flushed = self.expected
        self.check()

    def commit(self) -> None:
        self.flush()
        self.session.commit()
        self.committed = self.flushed

    def roll_back(self) -> None:
        self.session.rollback()
        self.expected = self.flushed = self.committed
        self.stored = self.read()

    def expire(self) -> None:
        self.session.expire(self.row)
        self.expected = self.flushed

    def refresh(self) -> None:
        self.session.refresh(self.row)
        self.expected = self.flushed

    def merge(self) -> None:
        self.commit()  # because a rollback would not give the merged object its key back
        self.look()
        self.session.refresh(self.row)
        self.session.expunge(self.row)
        for _ in range(self.chance.randrange(3)):
            self.assign()
        if self.chance.random() < 0.5:
            self.move("owner_id")
        self.row = self.session.merge(self.row)

    def deploy(self) -> None:
        self.commit()
        self.session.close()
        self.phase = next(each for each in self.versions if each is not self.phase)
        self.session = Session(self.engine, autoflush=False)
        self.row = self.session.scalars(select(CLASSES[self.phase])).one()

    def read(self) -> Any:
        query = (
            "SELECT id, owner_id, email, email_token, email_lookup, phone, phone_token FROM users"
        )
        return self.session.execute(text(query)).one()

    def check(self) -> None:
        self.checks += 1
        before, self.stored = self.stored, self.read()
        now, expected = self.stored, self.expected
        assert (UUID(now.id), UUID(now.owner_id)) == (expected.id, expected.owner_id)
        for name, is_plain in zip(("email", "phone"), expected.is_plain, strict=True):
            value, token = getattr(expected, name), getattr(now, f"{name}_token")
            bound = [f"{name}", "id", "owner_id"]
            if [getattr(now, each) for each in bound] != [getattr(before, each) for each in bound]:
                assert token is None or token != getattr(before, f"{name}_token")
            assert getattr(now, name) == (value if is_plain else None)
            assert (token is None) == (value is None)
            if token is not None:
                assert self.open(name, token) == value
        index = CLASSES[self.phase].email.index_column.blind_index
        assert now.email_lookup == index.value(expected.email)

    def open(self, name: str, token: bytes) -> Any:
        cipher = default_client.get_default_client().cipher("pii")
        field = cipher.field(f"users.{name}", ["id", "owner_id"], str)
        return field.decrypt(token_from_bytes(token), self.expected.id, self.expected.owner_id)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("versions", [*pairwise(Phase)])
def test_rule_of_the_guard_holds_after_each_flush(
    vault: MemoryApplication, versions: tuple[Phase, Phase], seed: int
) -> None:
    with user_tables(vault) as engine:
        assert Site(engine, seed, versions).run() > STEPS // 10
