"""Model of a migration's plan: the old columns of a table, and those that take their place.

Old columns have plaintext that is to be encrypted, or tokens that are to be encrypted in another
way, or decrypted.

The plan names what is in the database and what the application declares in its code. Both are
compared with the live table before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, field_validator

from vault.declare.durations import DAY
from vault.declare.errors import InvalidValue
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    PartName,
    ServiceName,
    Within,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.migrated_field import (
    COLUMN,
    AttributeName,
    BlindIndexColumn,
    ColumnName,
    MigratedField,
    find_contradiction,
    is_name,
)
from vault.declare.schema.text_types import Matching

#: Characters of the name of a migration, as those of its functions are made of it.
MAX_MIGRATION: Final = 40

#: Ends the name of the column with the hash of the token that a plaintext was written with.
_HASH: Final = "_token_hash"

MigrationName = Annotated[
    str,
    Matching(
        r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*",
        "lower-case words joined by '_', beginning with a letter, 40 characters at most",
        lambda name: len(name) <= MAX_MIGRATION,
    ),
]
TableName = Annotated[
    str,
    Matching(rf"{COLUMN}(?:\.{COLUMN})?", "a table such as users or shop.users", is_name),
]


#: Whether the passes of a migration may fire the table's own triggers.
TriggerConsent: TypeAlias = Literal["fire", "refuse"]


class MigrationPlan(Section):
    """A file with the plan of one table's migration."""

    migration: MigrationName = Field(
        description="its name such as users_1, which stays while it runs"
    )
    service: ServiceName = Field(description="the service whose keys encrypt")
    table: TableName = Field(description="a table such as users or shop.users")
    key: PartName = Field("pii", description="the service's Transit key, such as pii")
    context: Distinct[ColumnName] | None = Field(
        None,
        description="a list of the columns that tokens are bound to; by default the primary key",
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
        None, description="the table of data keys; by default each token carries its data key"
    )
    index_keys: ColumnName = Field("index_keys", description="the table of keys of blind indexes")
    quiet_for: Annotated[int, Within("1s", "30d")] = Field(
        DAY, description="a duration such as 1d without a writer that does not encrypt"
    )
    read_back: bool = Field(
        False,
        description="true or false: whether each batch is committed only if the table has what was"
        " written, and the backfill checks tokens of applications too. Without it, a pass of its"
        " own checks all of them before the switch",
    )
    triggers: TriggerConsent = Field(
        "refuse",
        description="fire or refuse: whether passes may fire triggers of the table, which see the"
        " plaintext of each row",
        exclude_if=lambda value: value == "refuse",
    )
    backups_kept_for: Annotated[int, Within("1d", "3650d")] | None = Field(
        None,
        description="a duration such as 35d, for which backups from before the drop have the"
        " old columns",
    )

    @field_validator("columns")
    @classmethod
    def _has_each_column_once(
        cls, value: Mapping[str, MigratedField]
    ) -> Mapping[str, MigratedField]:
        names = [
            *(*value, *_old_index_columns(value).values()),
            *(*_value_columns(value).values(), *_index_columns(value).values()),
            *_hash_columns(value).values(),
        ]
        again = next((name for name in names if names.count(name) > 1), None)
        if again is not None:
            raise InvalidValue(f"names the column {again!r} twice", "each column once")
        return value

    @field_validator("columns")
    @classmethod
    def _decrypts_all_or_none(
        cls, value: Mapping[str, MigratedField]
    ) -> Mapping[str, MigratedField]:
        decrypted = [name for name, each in value.items() if each.plaintext is not None]
        if decrypted and len(decrypted) < len(value):
            raise InvalidValue("encrypts some columns and decrypts others", "a plan for each")
        for name, each in value.items():
            if wrong := find_contradiction(each):
                raise InvalidValue(f"declares the column {name!r} {wrong[0]}", wrong[1])
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
        """Return the columns of tokens or plaintext, and then those of blind indexes and hashes."""
        values, indexes = self.value_columns.values(), self.index_columns.values()
        return (*values, *indexes, *self.hash_columns.values())

    @property
    def old_columns(self) -> tuple[str, ...]:
        """Return the columns that are dropped: those that are migrated, and their old indexes."""
        return (*self.columns, *self.old_index_columns.values())

    @property
    def is_decrypting(self) -> bool:
        """Return whether tokens become plaintext."""
        return any(each.plaintext is not None for each in self.columns.values())

    @property
    def verifies_backfill(self) -> bool:
        """Return whether the backfill proves each token, so that no pass for it follows."""
        return self.read_back and not self.is_decrypting

    @property
    def value_columns(self) -> dict[str, str]:
        """Return the column of new tokens, or of plaintext, of each column that is migrated."""
        return _value_columns(self.columns)

    @property
    def hash_columns(self) -> dict[str, str]:
        """Return the column of the token's hash for each column that is decrypted."""
        return _hash_columns(self.columns)

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

    @property
    def new_values(self) -> str:
        """Return what the new columns have, for messages: ``new tokens`` or ``plaintext``."""
        return "plaintext" if self.is_decrypting else "new tokens"

    @property
    def new_value(self) -> str:
        """Return what a writer must bring, for messages: ``new token`` or ``plaintext``."""
        return "plaintext" if self.is_decrypting else "new token"

    @property
    def exposure(self) -> str:
        """Return the sentence about what a plan that decrypts makes readable."""
        return (
            f"The values of {', '.join(self.value_columns.values())} will be readable in the table"
            f" {self.table}, in the write-ahead log, on replicas and in backups"
        )


def _value_columns(columns: Mapping[str, MigratedField]) -> dict[str, str]:
    return {name: each.plaintext or each.token or f"{name}_token" for name, each in columns.items()}


def _hash_columns(columns: Mapping[str, MigratedField]) -> dict[str, str]:
    return {
        name: f"{each.plaintext}{_HASH}"
        for name, each in columns.items()
        if each.plaintext is not None
    }


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
