"""Models of an environment's Vault server, and of a deployment's mounts on it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app_integration import mounts, names
from app_integration._internal.server_urls import address_variables
from app_integration.errors import InvalidName
from app_integration.mounts import Mounts
from vault.declare import durations
from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import Address, AuditKeepTime, PartName
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

    kv: MountPath = Field(names.KV_MOUNT, description="the mount of secrets")
    transit: MountPath = Field(names.TRANSIT_MOUNT, description="the mount of Transit keys")
    database: MountPath = Field(names.DATABASE_MOUNT, description="the mount of leased users")
    approle: MountPath = Field(names.APPROLE_MOUNT, description="the mount of AppRole, below auth/")

    def as_mounts(self) -> Mounts:
        """Return the paths as the type that the SDK uses."""
        return Mounts(self.kv, self.transit, self.database, self.approle)


class Server(Section):
    """Vault server of an environment.

    If *address* is None, the local runtime sets it.
    """

    address: Address | None = Field(
        None, description="https://host:port of the server; by default the local deployment's"
    )
    extra_addresses: tuple[Address, ...] = Field(
        (), description="a list of https://host:port, further addresses of the same cluster"
    )
    audit_device: PartName | None = Field(
        None, description="an audit device such as file, from which services may request HMACs"
    )
    audit_trace_ids: bool = Field(
        False, description="true or false: the audit log has the trace ids that applications send"
    )
    audit_keep: AuditKeepTime = Field(
        90 * durations.DAY,
        description="a duration such as 90d: archived audit logs are kept for it",
    )
    mounts: MountPaths = Field(
        MountPaths(), description="a mapping with kv, transit, database and approle"
    )
    apply_role: Literal["root", "scoped"] = Field(
        "root",
        description="root or scoped: apply may change everything, or what is this deployment's",
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of the cluster, the preferred one first; none if none is set."""
        first = () if self.address is None else (self.address,)
        return tuple(dict.fromkeys((*first, *self.extra_addresses)))

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables with which an application reaches the cluster."""
        return address_variables(self.addresses or ("",))
