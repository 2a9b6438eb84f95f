"""Models of a service's database: one of its own, or the database of another service.

A database has one owning service. Its file admits other services under ``share``; the file of an
admitted service names the owner as ``of``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
)

from vault.declare.errors import InvalidValue, format_value, suggest
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    DatabaseName,
    LeaseTime,
    PartName,
    ServiceName,
    not_below,
)
from vault.declare.schema.list_types import Distinct

#: Database role whose users read every table of the owner, and change nothing. It is the only
#: access that an owner can admit another service to.
READONLY: Final = "readonly"

# Marks that pydantic adds to the location of an error. No key of a file can be spelt like them.
_OWN, _SHARED = "[own]", "[shared]"


def _access(value: str) -> str:
    if value != READONLY:
        near = suggest(value, (READONLY,))
        raise InvalidValue(f"is {format_value(value)}", READONLY, near)
    return value


#: Access to a shared database, which is also the name of the role that has it.
Access = Annotated[str, AfterValidator(_access), WithJsonSchema({"const": READONLY})]


class DatabaseRole(Section):
    """A dynamic database role: leased users live for *ttl*, and up to *max_ttl* if renewed."""

    ttl: LeaseTime = Field(
        description="a duration such as 1h, after which a leased user is deleted unless it is"
        " renewed"
    )
    max_ttl: LeaseTime = Field(
        description="a duration such as 24h, no shorter than ttl, after which it is not renewed"
    )

    _not_below_ttl = field_validator("max_ttl")(not_below("ttl"))


class Database(Section):
    """Database of a service, the roles with which it leases users, and who else may use it."""

    engine: Literal["postgresql"] = Field(description="postgresql")
    name: DatabaseName = Field(description="the database's name, such as gaara_store")
    roles: Mapping[PartName, DatabaseRole] = Field(
        description="entries like 'default: {ttl: 1h, max_ttl: 24h}'"
    )
    share: Mapping[ServiceName, Distinct[Access]] = Field(
        {}, description="entries like 'orders-mail: [readonly]', services that may read it"
    )


class SharedDatabase(Section):
    """Database of the service *of*, and the roles with which this service leases users of it."""

    of: ServiceName = Field(description="the service that owns the database")
    roles: Mapping[Access, DatabaseRole] = Field(
        min_length=1, description="entries like 'readonly: {ttl: 1h, max_ttl: 24h}'"
    )


def _tag(value: Any) -> str:
    is_shared = isinstance(value, SharedDatabase) or (isinstance(value, Mapping) and "of" in value)
    return _SHARED if is_shared else _OWN


ServiceDatabase = Annotated[
    Annotated[Database, Tag(_OWN)] | Annotated[SharedDatabase, Tag(_SHARED)],
    Discriminator(_tag),
]
#: Mark in the location of an error → the model that was selected.
MARKS: Final[Mapping[str, type[Section]]] = {_OWN: Database, _SHARED: SharedDatabase}
