"""Model of a column that is migrated: how it is stored today, and what takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from vault.declare.errors import InvalidValue
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    PartName,
    SettingValue,
)
from vault.declare.schema.keys import IndexName
from vault.declare.schema.list_types import EachOnce
from vault.declare.schema.text_types import Matching

#: Bytes of a name in PostgreSQL.
MAX_NAME: Final = 63

_ANY_NAME: Final = "a name in PostgreSQL, without quotes, 63 bytes at most"
#: Pattern of a name in PostgreSQL.
COLUMN: Final = r'[^\x00-\x1f\x7f".]+'


def is_name(text: str) -> bool:
    """Return whether each part of *text*, between dots, is short enough for PostgreSQL."""
    return all(0 < len(part.encode()) <= MAX_NAME for part in text.split("."))


ColumnName = Annotated[str, Matching(COLUMN, _ANY_NAME, is_name)]
FieldId = Annotated[
    str, Matching(r"[!-~]{1,80}", "the id of the field in the application, such as users.email")
]
AttributeName = Annotated[
    str, Matching(r"[A-Za-z_][A-Za-z0-9_]{0,62}", "a name in Python, such as owner")
]
ContextName = Annotated[str, Matching(r"[!-~]{1,63}", "a name in a context, such as user_id")]
#: As the application declares it: ``Encrypted("users.born", date)``.
FieldType = Literal[
    "str", "bytes", "int", "bool", "Decimal", "date", "datetime", "UUID", "dict", "list"
]


#: Types of columns by the names that a plan may have for them, in small letters.
_COLUMN_TYPES: Final = (
    *("text", "varchar", "character varying", "bytea", "smallint", "integer", "bigint", "numeric"),
    *("boolean", "date", "timestamptz", "timestamp with time zone", "timestamp"),
    *("timestamp without time zone", "uuid", "json", "jsonb"),
)
ColumnType = Annotated[
    str,
    Matching(
        rf"(?:{'|'.join(_COLUMN_TYPES)})(?: ?\([1-9][0-9]{{0,7}}(?:, ?[0-9]{{1,3}})?\))?",
        "a type of PostgreSQL such as varchar(80) or numeric(12, 2)",
    ),
]
#: The type of a column for each type of a field, if the plan does not name one.
_DEFAULT_TYPES: Final = {
    "str": "text",
    "bytes": "bytea",
    "int": "bigint",
    "bool": "boolean",
    "Decimal": "numeric",
    "date": "date",
    "datetime": "timestamp with time zone",
    "UUID": "uuid",
    "dict": "jsonb",
    "list": "jsonb",
}


class BlindIndexColumn(Section):
    """A column with the blind index of an encrypted column, as the application declares it."""

    column: ColumnName | None = Field(None, description="its name; by default '<column>_index'")
    name: IndexName | None = Field(None, description="its id; by default that of the field")
    rows: Annotated[int, Field(ge=1)] = Field(
        description="the expected rows, as in the application"
    )
    distinct: Annotated[int, Field(ge=1)] | None = Field(
        None, description="the number of different values, as in the application; by default 'rows'"
    )
    normalise: Literal["exact", "casefold", "email", "digits"] = Field(
        "exact", description="exact, casefold, email or digits, as in the application"
    )
    low_entropy: bool = Field(
        False,
        description="true or false: whether it has few different values, as in the application",
    )


class OldEncryption(Section):
    """How a column is encrypted today whose tokens are to be encrypted in another way."""

    field: FieldId | None = Field(None, description="the id of its field; by default the new one")
    has_field: bool = Field(
        True,
        description="true or false: whether its tokens are bound to a field's id, as those of"
        " encrypt_field(value, context) are not",
        exclude_if=lambda value: value,
    )
    text: bool = Field(
        False,
        description="true or false: whether the column is text or varchar, in place of bytea",
        exclude_if=lambda value: not value,
    )
    key: PartName = Field("pii", description="the service's Transit key, such as pii")
    context: EachOnce[ColumnName] | None = Field(
        None,
        description="a list of the columns that its tokens are bound to; by default the primary"
        " key",
    )
    attributes: Mapping[ColumnName, ContextName] | None = Field(
        None,
        description="entries like 'user_id: owner', as in the plan; by default those of the plan",
    )
    constants: Mapping[ContextName, SettingValue] = Field(
        {},
        description="entries like 'use: email', for what each token is bound to beside columns",
        exclude_if=lambda value: not value,
    )
    data_keys: ColumnName | None = Field(
        None, description="the table of its data keys; by default each token carries its data key"
    )
    index: BlindIndexColumn | None = Field(
        None, description="a mapping with rows, for the old blind index"
    )

    @field_validator("has_field")
    @classmethod
    def _has_the_field_that_it_names(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("field") is not None:
            raise InvalidValue("is false beside a field", "one of both")
        return value

    @field_validator("data_keys")
    @classmethod
    def _stores_bytes_as_bytes(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("text"):
            raise InvalidValue(
                "is set for a column of text", "no table, because its tokens would be bytes"
            )
        return value

    def resolve_field(self, new: str) -> str | None:
        """Return the id of the field of old tokens, None if they have none.

        Args:
            new: The id of the field of new tokens.

        """
        return (self.field or new) if self.has_field else None


class MigratedField(Section):
    """A column that is migrated, and what takes its place."""

    encrypted: OldEncryption | None = Field(
        None,
        description="a mapping such as {key: pii}, for a column of tokens; by default it has"
        " plaintext",
        exclude_if=lambda value: value is None,
    )
    field: FieldId = Field(
        description="the id of the field in the application, such as users.email"
    )
    type: FieldType = Field("str", description="the type of the field in the application")
    token: ColumnName | None = Field(
        None, description="the column of its tokens; by default '<column>_token'"
    )
    index: BlindIndexColumn | None = Field(
        None, description="a mapping with rows, for a blind index"
    )
    plaintext: ColumnName | None = Field(
        None,
        description="the column of its plaintext, to decrypt its tokens; by default it is"
        " encrypted",
        exclude_if=lambda value: value is None,
    )
    column_type: ColumnType | None = Field(
        None,
        description="the type of the plaintext column in PostgreSQL; by default that of the field",
        exclude_if=lambda value: value is None,
    )

    @property
    def type_of_column(self) -> str:
        """Return the type of its plaintext column in PostgreSQL."""
        return self.column_type or _DEFAULT_TYPES[self.type]


def find_contradiction(column: MigratedField) -> tuple[str, str] | None:
    """Return what of *column* does not fit together, and what is expected; None if all fits."""
    if column.plaintext is None:
        fits = column.column_type is None
        return None if fits else ("with a type of plaintext", "plaintext, or no column_type")
    if column.encrypted is None:
        return "to be decrypted", "encrypted, which says how"
    if column.token is not None or column.index is not None:
        return "to be decrypted and encrypted", "plaintext, or token and index"
    return None
