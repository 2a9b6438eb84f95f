"""ACL policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app_integration.session.session import Session
from vault.reconcile.hcl.policy_rules import policies_equal
from vault.reconcile.resources import Fields, Reader, read_data


@dataclass(frozen=True, slots=True, eq=False)
class PolicyText:
    """HCL that equals any other text which grants the same."""

    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyText) and policies_equal(self.text, other.text)

    __hash__ = None  # type: ignore[assignment] # equal texts would need equal hashes

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Policy:
    """One ACL policy: its rendered HCL text."""

    kind: ClassVar[str] = "policy"

    name: str
    text: str

    def desired(self) -> Fields:
        """The text, without surrounding white space; only what it grants is compared."""
        return {"policy": PolicyText(self.text.strip())}

    def read(self, reader: Reader) -> Fields | None:
        """The text on the server, and its version where the server counts them."""
        data = read_data(reader, f"sys/policies/acl/{self.name}")
        if data is None:
            return None
        return {"policy": PolicyText(data["policy"].strip()), "version": data.get("version")}

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the text, unless somebody else has done so since it was read.

        A server that doesn't count versions of policies ignores ``cas``; -1 means "not there".
        """
        version = -1 if before is None else before.get("version")
        body = {"policy": self.text.strip(), **({} if version is None else {"cas": version})}
        session.post(f"sys/policies/acl/{self.name}", body, retry=False)
