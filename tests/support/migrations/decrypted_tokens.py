"""Table of members whose tokens become plaintext again, and its application's writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.declared_field import DeclaredField
from migration.rows.row_cipher import RowCipher
from migration.rows.service_keys import TYPES
from migration.rows.source_cipher import SourceCipher
from migration.table.migrated_table import MigratedTable
from tests.support.migrations.course_driver import CourseDriver
from tests.support.models import cipher_parts, index_parts
from vault.declare.schema.migration import MigrationPlan

ROWS: Final = 120
#: By plaintext column: the type of its field, and its type in PostgreSQL if that is named.
COLUMNS: Final[Mapping[str, tuple[str, str | None]]] = {
    "email": ("str", "varchar(40)"),
    "remark": ("str", None),
    "age": ("int", "integer"),
    "balance": ("Decimal", "numeric(12, 2)"),
    "photo": ("bytes", None),
    "is_active": ("bool", None),
    "born": ("date", None),
    "seen": ("datetime", None),
    "noted": ("datetime", "timestamp"),
    "card": ("UUID", None),
    "settings": ("dict", None),
    "tags": ("list", "json"),
}
_REMARKS: Final = (
    "Größe",
    "日本語 \N{GRINNING FACE}",
    "",
    " ' \\ % \t\n",
    "e\N{COMBINING ACUTE ACCENT}",
)
#: Values at the bounds of the types of columns and fields.
BOUNDS: Final[Sequence[Mapping[str, Any]]] = (
    {
        "email": "",
        "remark": "é" * 2**19,
        "age": -(2**31),
        "balance": Decimal("-9999999999.99"),
        "photo": b"",
        "is_active": False,
        "born": date.min,
        "seen": datetime.min.replace(tzinfo=UTC),
        "noted": datetime.min,  # noqa: DTZ901 (a time without zone)
        "card": UUID(int=0),
        "settings": {},
        "tags": [],
    },
    {
        "email": "Ü" * 40,
        "remark": " \x01\r\n𝄞",
        "age": 2**31 - 1,
        "balance": Decimal("0.00"),
        "photo": b"\xff\xfe\x00\xc3",
        "is_active": True,
        "born": date.max,
        "seen": datetime.max.replace(tzinfo=UTC),
        "noted": datetime.max,  # noqa: DTZ901 (as above)
        "card": UUID(int=2**128 - 1),
        "settings": {"": [], "a": {"": [-0.5, 2**70, None]}},
        "tags": [[], {}, None, True, 1, 0.1, "ß"],
    },
    {"seen": datetime(2026, 1, 1, 23, 59, 59, 999_999, timezone(timedelta(hours=-14)))},
)
_INDEX: Final = "email_index"
#: A column whose tokens are text, and carry their data keys.
_TEXT: Final = "remark"


def make_values(number: int) -> dict[str, Any]:
    """Return a value of each column; in some rows it is None."""
    values = {
        "email": f"Member{number}@example.com",
        "remark": _REMARKS[number % len(_REMARKS)],
        "age": number - 50,
        "balance": Decimal(number * 101) / 100,
        "photo": bytes([number % 256, 0, 255]),
        "is_active": number % 2 == 0,
        "born": date(1980, 1, 1) + timedelta(number),
        "seen": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number, microseconds=number),
        "noted": datetime.combine(date(1980, 1, 1), time(microsecond=number)),
        "card": UUID(int=number),
        "settings": {"ä": [number, None, 0.5]},
        "tags": [number, "b"],
    }
    empty = list(values)[number % len(values)]
    return {**values, empty: None}


@dataclass
class Registry(CourseDriver):
    """An application of members, whose encrypted columns become plaintext."""

    batch = 25
    make = staticmethod(make_values)

    values: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world, indexes = cipher_parts.World(), index_parts.World().process()
        cipher = FieldCipher(world.service, cipher_parts.STORE, data_keys=world.rows)
        ciphers = dict.fromkeys(COLUMNS, cipher)
        ciphers[_TEXT] = FieldCipher(world.service, cipher_parts.STORE)
        self.fields: dict[str, DeclaredField] = {
            f"{name}_token": ciphers[name].field(f"members.{name}", ("id",), TYPES[kind])
            for name, (kind, _) in COLUMNS.items()
        }
        self.index: BlindIndex = indexes.index("members.email", rows=100_000, normalise="email")
        self.plan = make_plan(COLUMNS)

    def create(self) -> None:
        tokens = SQL(", ").join(
            SQL("{} {}").format(
                Identifier(f"{name}_token"), SQL("text" if name == _TEXT else "bytea")
            )
            for name in COLUMNS
        )
        self.execute(
            SQL(
                "CREATE TABLE members (id int PRIMARY KEY, visits int NOT NULL DEFAULT 0, {} bytea,"
                " {})"
            ).format(Identifier(_INDEX), tokens)
        )
        for number in range(1, ROWS + 1):
            self.write_old(number, make_values(number))

    def open_cipher(self, table: MigratedTable) -> RowCipher:
        return RowCipher(table, {}, {}, SourceCipher(table, self.fields, {_INDEX: self.index}))

    def write_old(self, number: int, values: Mapping[str, Any]) -> None:
        """Write as the version before the migration: tokens alone."""
        self._store(number, values, self.encrypt(number, values))

    def write_both(self, number: int, values: Mapping[str, Any]) -> None:
        """Write as in the phases ``dual-writing`` and ``switched``."""
        self._store(number, values, {**self.encrypt(number, values), **_adapt(values)})

    def write_new(self, number: int, values: Mapping[str, Any]) -> None:
        """Write as in the phase ``nulling``: plaintext, and NULL into the old columns."""
        nothing = dict.fromkeys(self.encrypt(number, values))
        self._store(number, values, {**nothing, **_adapt(values)})

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Switch the triggers of the guard off for the block, as the owner of the table can."""
        self.execute("ALTER TABLE members DISABLE TRIGGER USER")
        yield
        names = self.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'members'::regclass")
        for (name,) in names:
            statement = SQL("ALTER TABLE members ENABLE ALWAYS TRIGGER {}")
            self.execute(statement.format(Identifier(name)))

    def encrypt(self, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return fresh tokens of *values*, and the index value, as the columns store them."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            token = self.fields[f"{name}_token"].encrypt(value, number)
            found[f"{name}_token"] = token
        if "email" in values:
            found[_INDEX] = self.index.value(values["email"])
        return found

    def read_old(self) -> dict[int, dict[str, Any]]:
        """Return what the tokens decrypt to. Index values are checked."""
        found = {}
        for number, index, *tokens in self._select([_INDEX, *self.fields]):
            found[number] = {
                name.removesuffix("_token"): each.decrypt(token, number)
                for (name, each), token in zip(self.fields.items(), tokens, strict=True)
            }
            assert index == self.index.value(found[number]["email"]), number
        return found

    def read_new(self) -> dict[int, dict[str, Any]]:
        """Return the plaintext columns."""
        return {
            number: dict(zip(COLUMNS, values, strict=True))
            for number, *values in self._select(COLUMNS)
        }

    def _select(self, names: Any) -> list[Any]:
        return self.execute(
            SQL("SELECT id, {} FROM members").format(SQL(", ").join(map(Identifier, names)))
        )

    def _store(self, number: int, values: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        self.upsert({"id": number, **row})
        self.values[number] = {**self.values.get(number, dict.fromkeys(COLUMNS)), **values}


def make_plan(columns: Mapping[str, tuple[str, str | None]]) -> MigrationPlan:
    """Return the plan that decrypts the tokens of *columns*."""
    declared: dict[str, dict[str, Any]] = {}
    for name, (kind, type_) in columns.items():
        encrypted: dict[str, Any] = {"text": True} if name == _TEXT else {"data_keys": "data_keys"}
        if name == "email":
            encrypted["index"] = {"rows": 100_000, "normalise": "email", "column": _INDEX}
        declared[f"{name}_token"] = {
            "encrypted": encrypted,
            "field": f"members.{name}",
            "type": kind,
            "plaintext": name,
            **({} if type_ is None else {"column_type": type_}),
        }
    return MigrationPlan.model_validate(
        {
            "migration": "members",
            "service": "club",
            "table": "members",
            "columns": declared,
        }
    )


def _adapt(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Jsonb(value) if isinstance(value, dict | list) else value
        for name, value in values.items()
    }
