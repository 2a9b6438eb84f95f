"""Groups of people, whose members the provider names at each login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader, read_data, refuse_change


@dataclass(frozen=True, slots=True)
class Group:
    """A group with one alias: the people whom *mount* says to be in *claim*.

    Attributes:
        mount: an auth method, without ``auth/``.
        claim: the group's name at the provider.

    """

    kind: ClassVar[str] = "group"

    name: str
    policies: tuple[str, ...]
    mount: str
    claim: str

    def desired(self) -> Fields:
        """What its members may do, and who they are."""
        return {
            "type": "external",
            "policies": sorted(self.policies),
            "alias": self.claim,
            "alias_mount": f"auth/{self.mount}/",
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the group on the server."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        alias = data.get("alias") or {}
        return {
            "type": data["type"],
            "policies": sorted(data["policies"] or ()),
            "alias": alias.get("name"),
            "alias_mount": alias.get("mount_path"),
        }

    def write(self, session: Session, before: Fields | None) -> None:
        """Create or change it, and then its alias, of which it has one at most."""
        refuse_change(self, before, ("type",))
        session.post(self._path, {"type": "external", "policies": sorted(self.policies)})
        alias = {"alias": self.claim, "alias_mount": f"auth/{self.mount}/"}
        if before is not None and all(before[key] == value for key, value in alias.items()):
            return
        body = {
            "name": self.claim,
            "mount_accessor": session.get(f"sys/auth/{self.mount}")["data"]["accessor"],
            "canonical_id": session.get(self._path)["data"]["id"],
        }
        session.post("identity/group-alias", body)

    @property
    def _path(self) -> str:
        return f"identity/group/name/{self.name}"
