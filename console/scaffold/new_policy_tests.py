"""Tests of a new service's policy: it grants what was declared, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app_integration.permissions import OPERATIONS
from vault.declare.declaration import AUDIT_KEY

#: Operations of a new key.
_OPERATIONS = ("encrypt", "decrypt")


@dataclass(frozen=True, slots=True)
class NewPolicyTests:
    """Tests of the policy of the service *service*.

    *other* is the path of another service's secret below the KV mount.
    """

    service: str
    secrets: Sequence[str]
    keys: Sequence[str]
    has_database: bool
    other: str

    def text(self, comment: str | None) -> str:
        """Return the file."""
        lines = [
            *([comment] if comment else []),
            f"# What the policy of {self.service} allows and denies, in every environment. Run:",
            f"# strongroom policies test --env dev --service {self.service}",
            "tests:",
            "  # What the service declares.",
            *(_row(path, capability, "allow") for path, capability in self._allowed()),
            "  # What it must not do, whatever else changes.",
            *(_row(path, capability, "deny") for path, capability in self._denied()),
        ]
        return "\n".join([*lines, ""])

    @property
    def _scope(self) -> str:
        return f"{self.service}-{{environment}}"

    def _allowed(self) -> Iterator[tuple[str, str]]:
        for secret in self.secrets:
            yield _need("read-secret", f"{self.service}/{{environment}}/{secret}")
        for key in self.keys:
            for operation in key_operations(key):
                yield _need(operation, f"{self._scope}-{key}")
        if self.has_database:
            yield _need("lease-database-user", self._scope)
        yield "auth/token/renew-self", "update"

    def _denied(self) -> Iterator[tuple[str, str]]:
        for secret in self.secrets:
            yield f"{{kv}}/data/{self.service}/{{environment}}/{secret}", "update"
        yield f"{{kv}}/metadata/{self.service}/{{environment}}/", "list"
        yield f"{{kv}}/data/{self.other}", "read"
        for key in self.keys:
            for operation in _OPERATIONS:
                if operation not in key_operations(key):
                    yield _need(operation, f"{self._scope}-{key}")
            yield f"{{transit}}/export/encryption-key/{self._scope}-{key}", "read"
            yield f"{{transit}}/keys/{self._scope}-{key}", "delete"
        if self.has_database:
            yield f"{{database}}/config/{self._scope}", "read"
        yield f"sys/policies/acl/{self._scope}", "update"
        yield f"auth/{{approle}}/role/{self._scope}/secret-id", "update"
        for mount in ("sys/mounts/{kv}", "sys/mounts/{transit}", "sys/auth/{approle}"):
            yield mount, "update"


def key_operations(key: str) -> Sequence[str]:
    """Return the operations of a new key. Logs are decrypted by the auditor alone."""
    return _OPERATIONS[:1] if key == AUDIT_KEY else _OPERATIONS


def _need(operation: str, name: str) -> tuple[str, str]:
    """Return the path and capability of *operation*, with the placeholders of its mounts."""
    need = OPERATIONS[operation]
    return need.path.replace("{name}", name), need.capability


def _row(path: str, capability: str, expect: str) -> str:
    return f'  - {{path: "{path}", capability: {capability}, expect: {expect}}}'
