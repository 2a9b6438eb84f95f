"""Models of a deployment's mounts in an environment file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from app_integration import mounts, names
from app_integration.errors import InvalidName
from app_integration.mounts import Mounts
from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.text_types import json_text

_EXPECTED = "a path such as team/kv, without '/' at the end and not below sys or auth"


def _mount_path(value: str) -> str:
    try:
        return mounts.check_mount(value)
    except InvalidName:
        raise InvalidValue(f"is {format_value(value)}", _EXPECTED) from None


_RESERVED = "|".join(sorted(mounts.RESERVED))
MountPath = Annotated[
    str,
    AfterValidator(_mount_path),
    json_text(
        rf"(?!(?:{_RESERVED})(?:/|$)){names.SECRET_PATTERN}",
        _EXPECTED,
        maxLength=names.MAX_NAME_LENGTH,
    ),
]


class MountPaths(Section):
    """Paths of the engines, and of the AppRole method below ``auth/``."""

    kv: MountPath = Field(names.KV_MOUNT, description="a path such as team/kv")
    transit: MountPath = Field(names.TRANSIT_MOUNT, description="a path such as team/transit")
    database: MountPath = Field(names.DATABASE_MOUNT, description="a path such as team/database")
    approle: MountPath = Field(names.APPROLE_MOUNT, description="a path such as team-approle")

    def as_mounts(self) -> Mounts:
        """Return the paths as the type that the SDK uses."""
        return Mounts(self.kv, self.transit, self.database, self.approle)
