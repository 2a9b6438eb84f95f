"""Model of a migration's plan: the old columns of a table, and the encrypted ones.

Old columns have plaintext, or tokens that are to be encrypted in another way.

The plan names what is in the database and what the application declares in its code. Both are
compared with the live table before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from vault.declare.durations import DAY
from vault.declare.errors import InvalidValue
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    Distinct,
    EachOnce,
    PartName,
    ServiceName,
    SettingValue,
    Within,
)
from vault.declare.schema.index_keys import IndexName
from vault.declare.schema.text_types import Matching

#: Bytes of a name in PostgreSQL.
MAX_NAME: Final = 63

#: Characters of the name of a migration, as those of its functions are made of it.
MAX_MIGRATION: Final = 40

_ANY_NAME: Final = "a name in PostgreSQL, without quotes, 63 bytes at most"
_COLUMN: Final = r'[^\x00-\x1f\x7f".]+'
MigrationName = Annotated[
    str,
    Matching(
        r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*",
        "lower-case words joined by '_', beginning with a letter, 40 characters at most",
        lambda name: len(name) <= MAX_MIGRATION,
    ),
]


def _is_name(text: str) -> bool:
    return all(0 < len(part.encode()) <= MAX_NAME for part in text.split("."))


ColumnName = Annotated[str, Matching(_COLUMN, _ANY_NAME, _is_name)]
TableName = Annotated[
    str,
    Matching(rf"{_COLUMN}(?:\.{_COLUMN})?", "a table such as users or shop.users", _is_name),
]
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


class BlindIndexColumn(Section):
    """A column with the blind index of an encrypted column, as the application declares it."""

    column: ColumnName | None = Field(None, description="its name; <column>_index by default")
    name: IndexName | None = Field(None, description="its id; that of the field by default")
    rows: Annotated[int, Field(ge=1)] = Field(
        description="the expected rows, as in the application"
    )
    distinct: Annotated[int, Field(ge=1)] | None = Field(
        None, description="the number of different values, as in the application"
    )
    normalise: Literal["exact", "casefold", "email", "digits"] = Field(
        "exact", description="exact, casefold, email or digits, as in the application"
    )
    low_entropy: bool = Field(False, description="true or false, as in the application")


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
    key: PartName = Field("pii", description="the service's Transit key")
    context: EachOnce[ColumnName] | None = Field(
        None, description="a list of the columns that its tokens are bound to; by default the key"
    )
    attributes: Mapping[ColumnName, ContextName] | None = Field(
        None, description="names in the application, as in the plan; by default those of the plan"
    )
    constants: Mapping[ContextName, SettingValue] = Field(
        {},
        description="entries like 'use: email', for what each token is bound to beside columns",
        exclude_if=lambda value: not value,
    )
    data_keys: ColumnName | None = Field(
        None, description="the table of its data keys; without one each token carries its data key"
    )
    index: BlindIndexColumn | None = Field(
        None, description="a mapping with rows, for the old blind index, or left out"
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
                "is given for a column of text", "no table, because its tokens would be bytes"
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
        description="a mapping such as {key: pii} for a column of tokens; left out for plaintext",
        exclude_if=lambda value: value is None,
    )
    field: FieldId = Field(description="the id of the field in the application: users.email")
    type: FieldType = Field("str", description="the type of the field in the application")
    token: ColumnName | None = Field(
        None, description="the column of its tokens; <column>_token by default"
    )
    index: BlindIndexColumn | None = Field(None, description="a mapping with rows, or left out")


class MigrationPlan(Section):
    """A file with the plan of one table's migration."""

    migration: MigrationName = Field(description="its name, which stays while it runs")
    service: ServiceName = Field(description="the service whose keys encrypt")
    table: TableName = Field(description="a table such as users or shop.users")
    key: PartName = Field("pii", description="the service's Transit key")
    context: Distinct[ColumnName] | None = Field(
        None, description="a list of the columns that tokens are bound to; by default the key"
    )
    attributes: Mapping[ColumnName, AttributeName] = Field(
        {},
        description="entries like 'user_id: owner', for a column of the context that has another"
        " name in the application",
    )
    columns: Mapping[ColumnName, MigratedField] = Field(
        description="entries like 'email: {field: users.email, index: {rows: 1000000}}'",
        min_length=1,
    )
    data_keys: ColumnName | None = Field(
        None, description="the table of data keys; without one each token carries its data key"
    )
    index_keys: ColumnName = Field("index_keys", description="the table of keys of blind indexes")
    quiet_for: Annotated[int, Within("1s", "30d")] = Field(
        DAY, description="a duration such as 1d without a writer that does not encrypt"
    )
    backups_kept_for: Annotated[int, Within("1d", "3650d")] | None = Field(
        None,
        description="a duration such as 35d; backups from before the drop have the old columns",
    )

    @field_validator("columns")
    @classmethod
    def _has_each_column_once(
        cls, value: Mapping[str, MigratedField]
    ) -> Mapping[str, MigratedField]:
        names = [
            *(*value, *_old_index_columns(value).values()),
            *(*_token_columns(value).values(), *_index_columns(value).values()),
        ]
        again = next((name for name in names if names.count(name) > 1), None)
        if again is not None:
            raise InvalidValue(f"names the column {again!r} twice", "each column once")
        return value

    @field_validator("columns")
    @classmethod
    def _declares_an_index_in_one_way(
        cls, value: Mapping[str, MigratedField]
    ) -> Mapping[str, MigratedField]:
        known: dict[str, BlindIndexColumn] = {}
        for column in value.values():
            for name, index in _declared_indexes(column):
                declared = index.model_copy(update={"column": None, "name": None})
                if known.setdefault(name, declared) != declared:
                    raise InvalidValue(
                        f"declares the index {name!r} in two ways", "a name of its own for each"
                    )
        return value

    @property
    def new_columns(self) -> tuple[str, ...]:
        """Return the columns of tokens, and then those of blind indexes."""
        return (*self.token_columns.values(), *self.index_columns.values())

    @property
    def old_columns(self) -> tuple[str, ...]:
        """Return the columns that are dropped: those that are migrated, and their old indexes."""
        return (*self.columns, *self.old_index_columns.values())

    @property
    def token_columns(self) -> dict[str, str]:
        """Return the column of tokens of each column that is migrated."""
        return _token_columns(self.columns)

    @property
    def index_columns(self) -> dict[str, str]:
        """Return the column of index values of each migrated column that gets one."""
        return _index_columns(self.columns)

    @property
    def old_index_columns(self) -> dict[str, str]:
        """Return the column of old index values of each migrated column that has one."""
        return _old_index_columns(self.columns)

    @property
    def old_values(self) -> str:
        """Return what the old columns have, for messages: ``plaintext`` or ``old tokens``."""
        are_encrypted = {each.encrypted is not None for each in self.columns.values()}
        names = {False: "plaintext", True: "old tokens"}
        return " and ".join(names[each] for each in sorted(are_encrypted))


def _token_columns(columns: Mapping[str, MigratedField]) -> dict[str, str]:
    return {name: each.token or f"{name}_token" for name, each in columns.items()}


def _index_columns(columns: Mapping[str, MigratedField]) -> dict[str, str]:
    return _name_columns({name: each.index for name, each in columns.items()})


def _old_index_columns(columns: Mapping[str, MigratedField]) -> dict[str, str]:
    return _name_columns(
        {name: each.encrypted.index for name, each in columns.items() if each.encrypted is not None}
    )


def _name_columns(indexes: Mapping[str, BlindIndexColumn | None]) -> dict[str, str]:
    return {
        name: index.column or f"{name}_index"
        for name, index in indexes.items()
        if index is not None
    }


def _declared_indexes(column: MigratedField) -> Iterator[tuple[str, BlindIndexColumn]]:
    """Yield the id and the declaration of each blind index of *column*."""
    old = column.encrypted
    if column.index is not None:
        yield column.index.name or column.field, column.index
    if old is not None and old.index is not None:
        yield old.index.name or old.field or column.field, old.index
