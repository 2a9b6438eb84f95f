"""Benchmark of encrypted Django fields against the same model in plaintext.

    python -m benchmarks.django_orm [--rows 10000] [--turns 5]

A model has three text fields, of which one is searched, in SQLite in memory and in PostgreSQL. The
case of the cipher adds AES-GCM and the keyed hash of each value to the plaintext model, the least
that encryption can cost. On SQLite processor time counts. On PostgreSQL all time counts, so its
ratios vary with what else the machine does, and have no bar.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

from benchmarks import memory_keys
from benchmarks.orm import Cipher, person, then
from benchmarks.people_table import database
from benchmarks.ratio import Case, Clock, run_cases
from tests.support.databases import django_project

django_project.set_up()

from django.db import connection, models, transaction  # noqa: E402 (Django must be set up first)

from app_integration.integrations.django import (  # noqa: E402 (as above)
    BlindIndexField,
    EncryptedField,
    EncryptedModel,
    create_index_keys,
    find,
)

ROWS: Final = 10_000
TURNS: Final = 5
_SAVES: Final = 500  # objects in one turn
_FINDS: Final = 300  # queries in one turn
#: Above what was measured on a machine that other work shared. ADR 0060 names the aims.
_BARS: Final = {"bulk_create": 3.4, "load": 3.7, "find": 1.7}


class PlainPerson(models.Model):  # type: ignore[misc] # noqa: DJ008 (Django has no types; never shown)
    """A person in plaintext, whose address is indexed."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    name = models.TextField()
    email = models.TextField(db_index=True)
    phone = models.TextField()

    class Meta:  # noqa: D106 (Django's)
        app_label = "benchmarks"


class Person(EncryptedModel):
    """The same person with encrypted fields."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    name = EncryptedField("people.name")
    email = EncryptedField("people.email", index="email_index")
    phone = EncryptedField("people.phone")
    email_index = BlindIndexField("people.email", of=["email"], rows=1_000_000, normalise="email")

    class Meta:  # noqa: D106 (Django's)
        app_label = "benchmarks"


class Table:
    """Objects of one model in the database, and the measured operations on them."""

    def __init__(self, owner: Any, rows: int) -> None:
        self._owner = owner
        self._rows = rows

    def clear(self) -> None:
        """Delete all rows."""
        self._owner.objects.all().delete()

    def insert(self, times: int) -> None:
        """Create the objects, and insert them by ``bulk_create``."""
        for _ in range(times):
            rows = (self._owner(**person(number)) for number in range(self._rows))
            self._owner.objects.bulk_create(rows)

    def save(self, times: int) -> None:
        """Create the objects, and save one after another in one transaction."""
        with transaction.atomic():
            for number in range(times):
                self._owner(**person(number)).save()

    def load(self, times: int) -> None:
        """Load all objects, and read every attribute."""
        for _ in range(times):
            for row in self._owner.objects.all():
                _ = row.id, row.name, row.email, row.phone

    def filter(self, times: int) -> None:
        """Query one object after another by the address, and read that."""
        for number in range(times):
            for row in self._owner.objects.filter(email=f"User.{number}@Example.com"):
                _ = row.email

    def find(self, times: int) -> None:
        """Find one object after another by the address, and read that."""
        for number in range(times):
            (row,) = find(self._owner.objects, "email", f"User.{number}@Example.com")
            _ = row.email


@contextmanager
def cases(rows: int = ROWS) -> Iterator[Iterator[Case]]:
    """Yield the cases of encrypted fields."""
    with memory_keys.configured():
        create_index_keys(Person)
        yield _cases_of_databases(rows)


def _cases_of_databases(rows: int) -> Iterator[Case]:
    yield from _cases("SQLite", rows, time.process_time, _BARS)
    with database() as found, found.connect() as server, django_project.connected(server.info):
        yield from _cases("PostgreSQL", rows, time.perf_counter, {})


def _cases(name: str, rows: int, clock: Clock, bars: Mapping[str, float]) -> Iterator[Case]:
    people, plain, cipher = Table(Person, rows), Table(PlainPerson, rows), Cipher()
    with connection.schema_editor() as editor:
        editor.create_model(Person)
        editor.create_model(PlainPerson)

    def clear() -> None:
        people.clear()
        plain.clear()

    case = partial(Case, floor_name="plaintext", clock=clock)
    writes = partial(case, floor=plain.insert, calls=1, prepare=clear)
    yield writes(f"{name}, bulk_create", people.insert, bar=bars.get("bulk_create"))
    encrypted = then(plain.insert, cipher.encrypt_rows, rows)
    yield writes(f"{name}, bulk_create, cipher only", encrypted)
    yield case(f"{name}, save", people.save, plain.save, calls=_SAVES, prepare=clear)
    clear()
    people.insert(1)
    plain.insert(1)
    reads = partial(case, floor=plain.load, calls=1)
    yield reads(f"{name}, load", people.load, bar=bars.get("load"))
    yield reads(f"{name}, load, cipher only", then(plain.load, cipher.decrypt_rows, rows))
    finds = partial(case, floor=plain.filter, calls=_FINDS)
    yield finds(f"{name}, filter", people.filter)
    yield finds(f"{name}, find", people.find, bar=bars.get("find"))


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS, ("--rows", int, ROWS, None)))
