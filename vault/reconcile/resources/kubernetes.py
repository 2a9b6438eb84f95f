"""Logins of pods, whose service account tokens the cluster's API verifies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.session.session import Session
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, ReadSession, read_data
from vault.reconcile.resources.ownership import OwnershipEntry
from vault.reconcile.resources.tokens import AuthConfig, AuthRole, TokenRules, normalise_fields
from vault.reconcile.resources.write_only import AS_PROVIDED, WriteOnly

_REVIEWER: Final = "token_reviewer_jwt"
_IS_SET: Final = "token_reviewer_jwt_set"  # the server returns no more than this


@dataclass(frozen=True, slots=True)
class KubernetesConfig(AuthConfig):
    """Configuration of a Kubernetes mount: the cluster that verifies the tokens of pods.

    Without a reviewer's token in *inputs*, the server sends the pod's own token to verify it.
    """

    kind: ClassVar[str] = "kubernetes-config"
    depends_on: ClassVar[tuple[str, ...]] = ("transit-key",)

    name: str
    host: str
    ca: str
    inputs: Inputs = field(repr=False)
    ownership: OwnershipEntry

    def desired(self) -> Fields:
        """Return the cluster and, if the operator provides a reviewer's token, its state."""
        return {**self._config(), **self._reviewer.desired()}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the configuration's fields, None if there is none.

        The fields include whether the server has a reviewer's token, and its state if one is
        provided.
        """
        data = read_data(reader, self._path)
        if data is None:
            return None
        found = normalise_fields(self._config(), data)
        return {**found, _IS_SET: data.get(_IS_SET), **self._reviewer.read(reader)}

    def check(self, before: Fields | None) -> None:
        """Check that the operator provides a reviewer's token, if the server has one."""
        if (before or {}).get(_IS_SET):
            self.inputs.get_required(f"{self._path}/{_REVIEWER}")

    def write(self, session: Session, before: Fields | None) -> None:
        """Replace the configuration, together with the reviewer's token if there is one.

        The server drops a reviewer's token that a write omits, so each write needs it.
        """
        self.check(before)
        token = self._reviewer.value
        sent = {} if token is None else {_REVIEWER: token.reveal()}
        session.post(self._path, {**self._config(), **sent})
        if token is not None and (before or {}).get(_REVIEWER) != AS_PROVIDED:
            self.ownership.write(session, self._reviewer.fingerprint_metadata(session))

    def _config(self) -> dict[str, Any]:
        return {
            "kubernetes_host": self.host,
            "kubernetes_ca_cert": self.ca.strip(),
            # Otherwise a server that runs in a pod would use that pod's token and authority.
            "disable_local_ca_jwt": True,
        }

    @property
    def _reviewer(self) -> WriteOnly:
        return WriteOnly(self.ownership, self.inputs.get(f"{self._path}/{_REVIEWER}"), _REVIEWER)


@dataclass(frozen=True, slots=True)
class KubernetesRole(AuthRole):
    """A Kubernetes role: which service accounts log in as one service.

    An empty *audience* is the cluster's default.
    """

    kind: ClassVar[str] = "kubernetes-role"
    depends_on: ClassVar[tuple[str, ...]] = ("policy", "kubernetes-config")
    listed_at: ClassVar[str] = "auth/kubernetes/role"

    name: str
    mount: str
    namespaces: tuple[str, ...]
    service_accounts: tuple[str, ...]
    audience: str
    tokens: TokenRules

    def desired(self) -> Fields:
        """Return the service accounts and namespaces, and the settings of the tokens."""
        return {
            "bound_service_account_names": sorted(self.service_accounts),
            "bound_service_account_namespaces": sorted(self.namespaces),
            "audience": self.audience,
            # The uid, because an account that was deleted and created again is another one.
            "alias_name_source": "serviceaccount_uid",
            **self.tokens.fields(),
        }
