"""Logins of pods, whose tokens the cluster's own API judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader, read_data
from vault.reconcile.resources.ownership import write_note
from vault.reconcile.resources.tokens import TokenRules, normal, read_role
from vault.reconcile.resources.write_only import AS_GIVEN, WriteOnly

_REVIEWER: Final = "token_reviewer_jwt"
_IS_SET: Final = "token_reviewer_jwt_set"  # all that the server says of it


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """The cluster that is asked.

    Attributes:
        host: address of its API.
        ca: PEM of whoever vouches for it.
        record: path of the note that holds the fingerprint of the reviewer's token. Without such a
            token, a pod's own is used to ask about itself.

    """

    kind: ClassVar[str] = "kubernetes-config"

    name: str
    host: str
    ca: str
    supply: Inputs = field(repr=False)
    record: str

    def desired(self) -> Fields:
        """The cluster, and the reviewer's token if one is given."""
        return {**self._config(), **self._reviewer.desired()}

    def read(self, reader: Reader) -> Fields | None:
        """The same of the method on the server, and whether that has a reviewer's token."""
        data = read_data(reader, self._path)
        if data is None:
            return None
        found = normal(self._config(), data)
        return {**found, _IS_SET: data.get(_IS_SET), **self._reviewer.read(reader)}

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the configuration.

        The server forgets a reviewer's token that isn't sent along, so it is needed each time.
        """
        token = self._reviewer.value
        if token is None and (before or {}).get(_IS_SET):
            token = self.supply.required(f"{self._path}/{_REVIEWER}")
        sent = {} if token is None else {_REVIEWER: token.reveal()}
        session.post(self._path, {**self._config(), **sent})
        if token is not None and (before or {}).get(_REVIEWER) != AS_GIVEN:
            write_note(session, self.record, self._reviewer.notes(session))

    def _config(self) -> dict[str, Any]:
        return {
            "kubernetes_host": self.host,
            "kubernetes_ca_cert": self.ca.strip(),
            # The server's own pod, if it runs in one, is of no concern.
            "disable_local_ca_jwt": True,
        }

    @property
    def _reviewer(self) -> WriteOnly:
        return WriteOnly(self.record, self.supply.get(f"{self._path}/{_REVIEWER}"), _REVIEWER)

    @property
    def _path(self) -> str:
        return f"auth/{self.name}/config"


@dataclass(frozen=True, slots=True)
class KubernetesRole:
    """Which service accounts are one service's.

    Attributes:
        audience: must be among a token's; empty for the cluster's default.

    """

    kind: ClassVar[str] = "kubernetes-role"

    name: str
    mount: str
    namespaces: tuple[str, ...]
    service_accounts: tuple[str, ...]
    audience: str
    tokens: TokenRules

    def desired(self) -> Fields:
        """Accounts and namespaces by name, and what a token of theirs is exchanged for."""
        return {
            "bound_service_account_names": sorted(self.service_accounts),
            "bound_service_account_namespaces": sorted(self.namespaces),
            "audience": self.audience,
            # An account that was deleted and made anew is another one.
            "alias_name_source": "serviceaccount_uid",
            **self.tokens.fields(),
        }

    def read(self, reader: Reader) -> Fields | None:
        """The same of the role on the server."""
        return read_role(reader, f"auth/{self.mount}", self._path, self.desired())

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create or change it."""
        session.post(self._path, self.desired())

    @property
    def _path(self) -> str:
        return f"auth/{self.mount}/role/{self.name}"
