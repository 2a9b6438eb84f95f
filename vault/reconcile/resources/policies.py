"""ACL policies, whose text names the deployment that owns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from app_integration.session.session import Session
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.reconcile.hcl.policy_rules import policies_equal
from vault.reconcile.resources import Fields, ReadSession, read_data
from vault.reconcile.resources.denial import explain_denial
from vault.reconcile.resources.marks import MARKED_BY, mark, read_mark, strip_mark

#: The last line of a policy, a comment.
_END: Final = "\n# end"


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
    depends_on: ClassVar[tuple[str, ...]] = ("kv-config",)
    listed_at: ClassVar[str] = "sys/policies/acl"

    name: str
    text: str
    deployment: str = DEFAULT_DEPLOYMENT
    is_fixed: bool = False

    def desired(self) -> Fields:
        """Return the text, compared by its rules only, and the owner."""
        return {"policy": PolicyText(self.text.strip()), MARKED_BY: self.deployment}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the text, its owner and, if the server counts versions, its version.

        The result is None if the policy does not exist.
        """
        data = read_data(reader, f"sys/policies/acl/{self.name}")
        if data is None:
            return None
        text = data["policy"].strip()
        return {
            # Without what body() adds, so that equal texts need not be parsed.
            "policy": PolicyText(strip_mark(text).removesuffix(_END)),
            MARKED_BY: read_mark(text, f"{self.kind} {self.name}"),
            "version": data.get("version"),
        }

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the text, with check-and-set on the version that was read.

        A server that does not count policy versions ignores ``cas``. The value -1 means that the
        policy must not exist yet.
        """
        version = -1 if before is None else before.get("version")
        body = {"policy": self.body(), **({} if version is None else {"cas": version})}
        with explain_denial(self, is_fixed=self.is_fixed):
            session.post(f"sys/policies/acl/{self.name}", body, retry=False)

    def body(self) -> str:
        """Return the text as it is written, with the mark in its first line.

        Its last line is fixed, because the policy of a scoped apply role lists the text, and would
        allow others if it ended with ``*``.
        """
        return f"{mark(self.deployment)}\n{self.text.strip()}{_END}"
