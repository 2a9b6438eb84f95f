"""Model of ``policies/<service>.tests.yaml``: what a service may do, and what it must not.

A path has placeholders for what differs between environments. They are those of
:data:`app_integration.permissions.OPERATIONS`, and the name of the environment.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from app_integration.mounts import Mounts
from app_integration.names import Environment
from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    EnvironmentName,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.text_types import check_placeholders, json_text

#: Names in braces that a path may contain: the environment, and the fields of :class:`Mounts`.
PLACEHOLDERS: Final = ("environment", "kv", "transit", "database", "approle")

_PLACEHOLDER: Final = rf"\{{(?:{'|'.join(PLACEHOLDERS)})\}}"
# A segment does not begin with '.', so that '..' is none.
_SEGMENT: Final = rf"(?:[A-Za-z0-9_-]|{_PLACEHOLDER})(?:[A-Za-z0-9_.-]|{_PLACEHOLDER})*"
_PATH: Final = rf"{_SEGMENT}(?:/{_SEGMENT})*/?"
_EXPECTED: Final = (
    "a path of the API without 'v1/' and without wildcards, "
    "such as '{kv}/data/shop/{environment}/token'"
)


def _path(value: str) -> str:
    check_placeholders(value, PLACEHOLDERS)
    if value.startswith("v1/") or not re.fullmatch(_PATH, value):
        raise InvalidValue(f"is {format_value(value)}", _EXPECTED)
    return value


ApiPath = Annotated[str, AfterValidator(_path), json_text(_PATH, _EXPECTED)]


class PolicyTest(Section):
    """One row: a capability on a path, and whether the service's policy must grant it."""

    path: ApiPath = Field(description=_EXPECTED)
    capability: Literal["create", "read", "update", "patch", "delete", "list", "sudo"] = Field(
        description="create, read, update, patch, delete, list or sudo"
    )
    expect: Literal["allow", "deny"] = Field(description="allow or deny: what the policy must do")
    environments: Distinct[EnvironmentName] | None = Field(
        None,
        description="a list of the environments to test it in; by default all with the service",
    )

    def is_for(self, environment: Environment) -> bool:
        """Return whether the row is tested in *environment*."""
        return self.environments is None or environment in self.environments

    def path_in(self, environment: Environment, mounts: Mounts) -> str:
        """Return the path in *environment*, on a server with *mounts*."""
        return self.path.format(
            environment=environment,
            kv=mounts.kv,
            transit=mounts.transit,
            database=mounts.database,
            approle=mounts.approle,
        )


class PolicyTests(Section):
    """The file ``policies/<service>.tests.yaml``."""

    tests: tuple[PolicyTest, ...] = Field(
        description="a list of rows with path, capability and expect"
    )
