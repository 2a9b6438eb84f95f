"""Table of patients whose tokens are encrypted in another way, and its application's writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.sql import SQL, Identifier

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.tokens.associated_data import Binding
from migration.rows.row_cipher import RowCipher
from migration.rows.source_cipher import SourceCipher
from migration.table.migrated_table import MigratedTable
from tests.support.migrations.course_driver import CourseDriver
from tests.support.models import cipher_parts, index_parts
from vault.declare.schema.migration import MigrationPlan

ROWS: Final = 120
_SETUP: Final = """
    CREATE TABLE patients (
        id int PRIMARY KEY, ward text NOT NULL, email {} NOT NULL, email_index bytea, visits int
    )
"""
_INDEX: Final = {"rows": 100_000, "normalise": "email"}
_NEW_INDEX: Final = {**_INDEX, "column": "lookup_2"}
_PLAN: Final = {"migration": "patients", "service": "clinic", "table": "patients"}
_CONSTANTS: Final[Mapping[str, str | int]] = {"use": "email", "version": 2}
#: How plans re-encrypt: what they say of the old tokens, and of the new ones beside their field.
KINDS: Final[Mapping[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "key": ({"key": "archive"}, {}),
    "mode": ({}, {"data_keys": "data_keys"}),
    "context": ({"context": ("id",)}, {"context": ("id", "ward")}),
    "index": ({"data_keys": "data_keys"}, {"data_keys": "data_keys"}),
    "text": (
        {
            "has_field": False,
            "text": True,
            "context": ("ward",),
            "attributes": {"ward": "room"},
            "constants": _CONSTANTS,
        },
        {"data_keys": "data_keys"},
    ),
}


@dataclass(frozen=True)
class Encryption:
    """How an application encrypts one column."""

    field: DeclaredField
    index: BlindIndex
    context: tuple[str, ...]

    def written(self, row: Mapping[str, Any], value: str | None) -> tuple[Any, Any]:
        """Return token and index value of *value*, as the columns store them."""
        token = self.field.encrypt(value, *(row[name] for name in self.context))
        return token.encode() if isinstance(token, str) else token, self.index.value(value)

    def opened(self, row: Mapping[str, Any], stored: bytes | None) -> Any:
        """Return the value of the token *stored*."""
        token = stored.decode() if stored is not None and stored.startswith(b"sr") else stored
        return self.field.decrypt(token, *(row[name] for name in self.context))


class UndeclaredEncryption(Encryption):
    """Encryption by calls of ``encrypt_field``, whose tokens a column of text has."""

    def written(self, row: Mapping[str, Any], value: str | None) -> tuple[Any, Any]:
        token = self._cipher().encrypt_field(value, self._bind(row))
        assert token is None or isinstance(token, str)
        return token, self.index.value(value)

    def opened(self, row: Mapping[str, Any], stored: bytes | None) -> Any:
        return self._cipher().decrypt_field(stored, self._bind(row))

    def _cipher(self) -> FieldCipher:
        assert isinstance(self.field.cipher, FieldCipher)
        return self.field.cipher

    def _bind(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"room": row["ward"], **_CONSTANTS}


@dataclass
class Clinic(CourseDriver):
    """An application of patients, whose encrypted column is encrypted in another way."""

    batch = 25

    kind: str
    values: dict[int, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        old, new = KINDS[self.kind]
        index = {"index": {**_INDEX, "normalise": "exact", "name": "patients.email.old"}}
        columns = {
            "email": {
                "encrypted": {**old, **index},
                "field": "patients.email",
                "token": "email_2",
                "index": _NEW_INDEX,
            }
        }
        self.plan = MigrationPlan.model_validate({**new, **_PLAN, "columns": columns})
        world, indexes = cipher_parts.World(), index_parts.World().process()
        self.old = self._encryption(world, indexes, old, "patients.email.old", "exact")
        self.new = self._encryption(world, indexes, new, "patients.email", "email")
        self.fields, self.old_fields = {"email": self.new.field}, {"email": self.old.field}

    @staticmethod
    def _encryption(
        world: cipher_parts.World,
        indexes: BlindIndexes,
        declared: Mapping[str, Any],
        index: str,
        normalise: str,
    ) -> Encryption:
        context = tuple(declared.get("context", ("id",)))
        cipher = FieldCipher(
            world.service,
            cipher_parts.STORE,
            declared.get("key", "pii"),
            data_keys=world.rows if "data_keys" in declared else None,
        )
        if declared.get("text"):
            field_ = DeclaredField(cipher, Binding(None, ("room", *_CONSTANTS)), str)
            index_ = indexes.index(index, rows=100_000, normalise=normalise)
            return UndeclaredEncryption(field_, index_, context)
        field_ = cipher.field("patients.email", context)
        return Encryption(field_, indexes.index(index, rows=100_000, normalise=normalise), context)

    def create(self) -> None:
        kind = "text" if self.kind == "text" else "bytea"
        self.execute(SQL(_SETUP).format(SQL(kind)))
        for patient in range(1, ROWS + 1):
            self.write_old(patient, self.make(patient))

    def make(self, patient: int) -> str:
        """Return an e-mail address."""
        return f"Patient{patient}@example.com"

    def open_cipher(self, table: MigratedTable) -> RowCipher:
        sources = SourceCipher(table, self.old_fields, {"email_index": self.old.index})
        return RowCipher(table, self.fields, {"lookup_2": self.new.index}, sources)

    def write_old(self, patient: int, email: str | None) -> None:
        """Write as the version before the migration: the old token alone."""
        self._store(patient, email, self._old(patient, email))

    def write_both(self, patient: int, email: str | None) -> None:
        """Write as in the phases ``dual-writing`` and ``switched``."""
        self._store(patient, email, {**self._old(patient, email), **self._new(patient, email)})

    def write_new(self, patient: int, email: str | None) -> None:
        """Write as in the phase ``nulling``: the new token, and NULL into the old columns."""
        written = self._new(patient, email)
        self._store(patient, email, {"email": None, "email_index": None, **written})

    def _old(self, patient: int, email: str | None) -> dict[str, Any]:
        token, index = self.old.written(_bound(patient), email)
        return {"email": token, "email_index": index}

    def _new(self, patient: int, email: str | None) -> dict[str, Any]:
        token, index = self.new.written(_bound(patient), email)
        return {"email_2": token, "lookup_2": index}

    def _store(self, patient: int, email: str | None, written: Mapping[str, Any]) -> None:
        self.upsert({**_bound(patient), **written})
        self.values[patient] = email

    def read(self, encryption: Encryption, token: str, index: str) -> dict[int, Any]:
        """Return the value of each patient's token, whose index value is checked."""
        found = {}
        names = SQL(", ").join(Identifier(name) for name in (token, index))
        for patient, ward, stored, value in self.execute(
            SQL("SELECT id, ward, {} FROM patients").format(names)
        ):
            found[patient] = opened = encryption.opened({"id": patient, "ward": ward}, stored)
            assert value == encryption.index.value(opened), patient
        return found

    def read_old(self) -> dict[int, Any]:
        """Return the values of the old tokens."""
        return self.read(self.old, "email", "email_index")

    def read_new(self) -> dict[int, Any]:
        """Return the values of the new tokens."""
        return self.read(self.new, "email_2", "lookup_2")


def _bound(patient: int) -> dict[str, Any]:
    """Return the columns of a row to which its tokens are bound."""
    return {"id": patient, "ward": f"w{patient}"}
