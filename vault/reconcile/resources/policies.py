"""ACL policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session import Session
from vault.reconcile.resources import Fields, read_data


@dataclass(frozen=True, slots=True)
class Policy:
    """One ACL policy: its rendered HCL text."""

    kind: ClassVar[str] = "policy"

    name: str
    text: str

    def desired(self) -> Fields:
        """The text, without surrounding white space."""
        return {"policy": self.text.strip()}

    def read(self, session: Session) -> Fields | None:
        """The text on the server."""
        data = read_data(session, f"sys/policies/acl/{self.name}")
        return {"policy": data["policy"].strip()} if data is not None else None

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Replace the text."""
        session.post(f"sys/policies/acl/{self.name}", self.desired())
