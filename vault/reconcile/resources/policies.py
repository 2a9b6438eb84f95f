"""ACL policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session.session import Session
from vault.reconcile.hcl.policy_rules import policies_equal
from vault.reconcile.resources import Fields, ReadSession, read_data


@dataclass(frozen=True, slots=True, eq=False)
class PolicyText:
    """HCL text that equals any other text that grants the same."""

    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyText) and policies_equal(self.text, other.text)

    __hash__ = None  # type: ignore[assignment] # texts that grant the same would need equal hashes

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Policy:
    """An ACL policy with its rendered HCL text."""

    kind: ClassVar[str] = "policy"

    name: str
    text: str

    def desired(self) -> Fields:
        """Return the text without surrounding white space. Only its rules are compared."""
        return {"policy": PolicyText(self.text.strip())}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the text and, if the server counts versions, its version; None for no policy."""
        data = read_data(reader, f"sys/policies/acl/{self.name}")
        if data is None:
            return None
        return {"policy": PolicyText(data["policy"].strip()), "version": data.get("version")}

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the text, with check-and-set on the version that was read.

        A server that does not count policy versions ignores ``cas``. The value -1 means that the
        policy must not exist yet.
        """
        version = -1 if before is None else before.get("version")
        body = {"policy": self.text.strip(), **({} if version is None else {"cas": version})}
        session.post(f"sys/policies/acl/{self.name}", body, retry=False)
