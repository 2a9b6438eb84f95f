"""Mapped classes of a table whose tokens become plaintext, one for each version."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.attributes import flag_modified

from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow, Index
from tests.support.models.reencrypted_lodger import DATA_KEYS, VERSIONS

_ROWS: Final = 100_000
#: How the table is migrated, as its plan says it.
COLUMN: Final[dict[str, Any]] = {
    "encrypted": {"data_keys": DATA_KEYS, "index": {"rows": _ROWS}},
    "field": "lodgers.name",
    "plaintext": "name_plain",
    "column_type": "varchar(80)",
}


def name_property(version: str) -> Any:
    """Return the property that reads one of the two attributes and writes both."""

    def read(row: Any) -> Any:
        return row.name_old if version in VERSIONS[:2] else row.name_plain

    def write(row: Any, value: Any) -> None:
        if version != "after":
            row.name_old = None if version == "nulling" else value
        if version != "before":
            row.name_plain = value
            # Else an equal value would not be written, and the guard would take it for forgotten.
            flag_modified(row, "name_plain")

    return property(read, write)


def lodger_class(version: str) -> Any:
    """Return the mapped class of one version of the application."""

    class Base(DeclarativeBase):
        pass

    class Lodger(EncryptedRow, Base):
        __tablename__ = "lodgers"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        visits: Mapped[int] = mapped_column(default=0)
        if version != "after":
            name_old = Encrypted(
                "lodgers.name",
                index=Index(_ROWS, column="name_index"),
                nullable=True,
                column="name",
            )
        if version != "before":
            name_plain: Mapped[str | None]

        name = name_property(version)

    return Lodger
