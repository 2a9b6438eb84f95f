"""Mapped classes of a table whose tokens become other ones or plaintext, one for each version."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.attributes import flag_modified

from app_integration import decrypt_field, encrypt_field
from app_integration.integrations.sqlalchemy import Encrypted, EncryptedRow, Index

DATA_KEYS, INDEX_KEYS = "lodger_data_keys", "lodger_index_keys"
_ROWS: Final = 100_000
_OLD_INDEX: Final = {"rows": _ROWS}
_NEW_INDEX: Final = {"rows": _ROWS, "column": "lookup_2"}
_OLD: Final = {"field": "lodgers.name", "data_keys": DATA_KEYS, "index": _OLD_INDEX}
_NEW: Final = {"field": "lodgers.name", "token": "name_2", "index": _NEW_INDEX}
#: How the table is migrated: what its plan says of the old tokens, of the new ones, and of both.
PLANS: Final[dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]] = {
    "key": (_OLD, _NEW, {"key": "index", "data_keys": DATA_KEYS}),
    "mode": ({"index": _OLD_INDEX}, _NEW, {"data_keys": DATA_KEYS}),
    "index": (
        _OLD,
        {**_NEW, "field": "lodgers.name.2", "index": {**_NEW_INDEX, "normalise": "casefold"}},
        {"data_keys": DATA_KEYS},
    ),
    "text": (
        {
            "has_field": False,
            "text": True,
            "attributes": {"id": "lodger"},
            "constants": {"use": "name"},
        },
        _NEW,
        {},
    ),
    "plaintext": (
        {"data_keys": DATA_KEYS, "index": _OLD_INDEX},
        {"field": "lodgers.name", "plaintext": "name_plain", "column_type": "varchar(80)"},
        {},
    ),
}
#: The versions of the application in their order.
VERSIONS: Final = ("before", "dual-writing", "switched", "nulling", "after")


def read_attribute(version: str) -> str:
    return "name_old" if version in VERSIONS[:2] else "name_new"


def name_property(version: str, *, is_marked: bool = False) -> Any:
    """Return the property that reads one of the two attributes and writes both."""

    def read(row: Any) -> Any:
        return getattr(row, read_attribute(version))

    def write(row: Any, value: Any) -> None:
        if version != "after":
            row.name_old = None if version == "nulling" else value
        if version != "before":
            row.name_new = value
            if is_marked:
                flag_modified(row, "name_new")

    return property(read, write)


def text_property() -> Any:
    """Return the property of a column of text, whose tokens calls of the SDK encrypt."""

    def bind(row: Any) -> dict[str, Any]:
        return {"lodger": row.id, "use": "name"}

    def read(row: Any) -> Any:
        return decrypt_field(row.name_text, context=bind(row))

    def write(row: Any, value: Any) -> None:
        row.name_text = encrypt_field(value, context=bind(row))
        # Else the ORM leaves out None for None, but the column may have been restored since.
        flag_modified(row, "name_text")

    return property(read, write)


def lodger_class(kind: str, version: str) -> Any:
    class Base(DeclarativeBase):
        pass

    class Lodger(EncryptedRow, Base):
        __tablename__ = "lodgers"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
        visits: Mapped[int] = mapped_column(default=0)
        if version != "after" and kind == "text":
            name_text: Mapped[str | None] = mapped_column("name")
            name_old = text_property()
        elif version != "after":
            name_old = _old_attribute(kind)
        if version != "before":
            name_new = _new_attribute(kind)

        name = name_property(version, is_marked=kind == "plaintext")

    return Lodger


def _old_attribute(kind: str) -> Encrypted:
    return Encrypted(
        "lodgers.name",
        index=Index(_ROWS, column="name_index"),
        nullable=True,
        column="name",
        self_contained=kind == "mode",
    )


def _new_attribute(kind: str) -> Any:
    _, new, plan = PLANS[kind]
    if kind == "plaintext":
        return mapped_column("name_plain", String(80), nullable=True)
    return Encrypted(
        new["field"],
        index=Index(_ROWS, normalise=new["index"].get("normalise", "exact"), column="lookup_2"),
        nullable=True,
        key=plan.get("key", "pii"),
        column="name_2",
    )
