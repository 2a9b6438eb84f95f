"""External groups: the OIDC provider names their members at each login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from app_integration.session.session import Session
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.reconcile.resources import Fields, ReadSession, StoredObject, check_immutable, read_data
from vault.reconcile.resources.marks import MARKED_BY, metadata_owner
from vault.reconcile.resources.secrets import MANAGED_BY


@dataclass(frozen=True, slots=True)
class Group(StoredObject):
    """An external group with one alias: the people for whom *mount* reports *claim*."""

    kind: ClassVar[str] = "group"
    depends_on: ClassVar[tuple[str, ...]] = ("policy",)
    listed_at: ClassVar[str] = "identity/group/name"

    name: str
    policies: tuple[str, ...]
    mount: str
    claim: str
    deployment: str = DEFAULT_DEPLOYMENT

    def desired(self) -> Fields:
        """Return the policies of the members, the alias, and the owner."""
        return {
            MARKED_BY: self.deployment,
            "type": "external",
            "policies": sorted(self.policies),
            "alias": self.claim,
            "alias_mount": f"auth/{self.mount}/",
        }

    def _comparable(self, reader: ReadSession, data: Fields) -> Fields:  # noqa: ARG002 (overrides)
        alias = data.get("alias") or {}
        return {
            MARKED_BY: metadata_owner(data.get("metadata"), f"{self.kind} {self.name}"),
            "type": data["type"],
            "policies": sorted(data["policies"] or ()),
            "alias": alias.get("name"),
            "alias_mount": alias.get("mount_path"),
        }

    def check(self, before: Fields | None) -> None:
        """Check that an existing group is an external one."""
        check_immutable(self, before, ("type",))

    def write(self, session: Session, before: Fields | None) -> None:
        """Create or update the group, then its alias. An external group has at most one."""
        self.check(before)
        found = read_data(session, self._path) or {}
        metadata = {**(found.get("metadata") or {}), **MANAGED_BY, "deployment": self.deployment}
        body: dict[str, Any] = {"type": "external", "policies": sorted(self.policies)}
        session.post(self._path, {**body, "metadata": metadata})
        alias = {"alias": self.claim, "alias_mount": f"auth/{self.mount}/"}
        if before is not None and all(before[key] == value for key, value in alias.items()):
            return
        alias_body = {
            "name": self.claim,
            "mount_accessor": session.get(f"sys/auth/{self.mount}")["data"]["accessor"],
            "canonical_id": session.get(self._path)["data"]["id"],
        }
        holder = self.find_alias_holder(session)
        if holder is not None and holder[MARKED_BY] == self.deployment:
            alias_body["id"] = holder["alias_id"]  # of a group that was declared before this one
        session.post("identity/group-alias", alias_body)

    def find_alias_holder(self, reader: ReadSession) -> Fields | None:
        """Return name, owner and alias's id of the group that has the alias now, None if none has.

        The server allows an alias in one group.
        """
        mount = (read_data(reader, "sys/auth") or {}).get(f"{self.mount}/")
        if mount is None:
            return None
        query = {"alias_name": self.claim, "alias_mount_accessor": mount["accessor"]}
        data = reader.post("identity/lookup/group", query).get("data")
        if not data:
            return None
        return {
            "name": data["name"],
            MARKED_BY: metadata_owner(data.get("metadata"), f"{self.kind} {data['name']}"),
            "alias_id": data["alias"]["id"],
        }

    @property
    def _path(self) -> str:
        return f"identity/group/name/{self.name}"
