"""Models of a service's Redis users: roles that lease them, and the server of an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.database import DatabaseRole
from vault.declare.schema.field_types import DatabaseEndpoint, PartName
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.logins import PemFile
from vault.declare.schema.text_types import text_schema

#: Keys (all, read or written), channels, and commands or categories. Words such as ``nopass`` and
#: passwords are excluded, because the server sets the password.
_RULE: Final = r"(?:(?:~|%(?:R|W|RW)~|&)[!-~]+|[+-]@?[a-z][a-z0-9|_.-]*)"
_RULES: Final = "an ACL rule such as ~orders:*, &orders:*, +@read or -keys"
#: Commands with which a leased user could create users, or change the server so that one exists.
ADMINISTRATIVE: Final = (
    *("acl", "cluster", "config", "debug", "failover", "module", "monitor", "psync", "replconf"),
    *("replicaof", "shutdown", "slaveof", "sync"),
)
#: Rules that grant one of them.
_GRANTS_ONE: Final = re.compile(
    rf"\+(?:@(?:all|admin|dangerous|slow)|(?:{'|'.join(ADMINISTRATIVE)})(?:\|.*)?)"
)


def check_rule(value: str) -> str:
    """Return *value* if it is a rule that a leased user may have.

    Raises:
        InvalidValue: If it is no rule, or grants a command of :data:`ADMINISTRATIVE`.

    """
    if not re.fullmatch(_RULE, value):
        raise InvalidValue(f"is {format_value(value)}", _RULES)
    if _GRANTS_ONE.fullmatch(value):
        what = f"is {format_value(value)}, with which a leased user could create others"
        raise InvalidValue(what, "the categories and commands that the service needs")
    return value


#: One rule of Redis' ACL, as ``ACL SETUSER`` takes it.
AclRule = Annotated[str, AfterValidator(check_rule), WithJsonSchema(text_schema(_RULE, _RULES))]


class RedisRole(DatabaseRole):
    """A role of leased Redis users, with *rules* as their only rights."""

    rules: Distinct[AclRule] = Field(
        description="a list of ACL rules, such as '[~orders:*, +@read, +@write]'"
    )


class Redis(Section):
    """Roles with which a service leases Redis users."""

    roles: Mapping[PartName, RedisRole] = Field(
        min_length=1,
        description="entries like 'default: {rules: [~orders:*, +@read], ttl: 1h, max_ttl: 24h}'",
    )


class RedisServer(Section):
    """Redis server of a service in one environment.

    Without *ca* the secrets server connects in plain text, which only a loopback address may do.
    """

    address: DatabaseEndpoint = Field(description="host:port of Redis")
    ca: PemFile | None = Field(None, description="a PEM file with the CA of Redis")
