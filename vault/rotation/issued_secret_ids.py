"""Secret-ids of one AppRole and the tokens of their logins, by accessor, which is no credential."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from app_integration.errors import RequestRefused, ServerFault
from app_integration.names import AGENT_ISSUED, HOST_KEY, ISSUED_KEY
from app_integration.session.session import Session
from vault.reconcile.server_time import parse_time
from vault.rotation.live_tokens import live_tokens, look_up, look_up_token


@dataclass(frozen=True, slots=True)
class Issued:
    """A secret-id, or a token of a login."""

    accessor: str
    name: str | None
    host: str | None
    created: datetime
    expires: datetime | None

    @property
    def is_of_agent(self) -> bool:
        """Return whether a starter issued it, for an agent."""
        return self.name == AGENT_ISSUED


@dataclass(frozen=True, slots=True)
class AppRoleCredentials:
    """The secret-ids and tokens of the AppRole *role* on the mount *auth*."""

    session: Session
    role: str
    auth: str

    @property
    def path(self) -> str:
        """Return the API path of the role."""
        return f"{self.auth}/role/{self.role}"

    def secret_ids(self) -> list[Issued]:
        """Return the valid secret-ids, the oldest first."""
        return sorted(self._secret_ids(), key=lambda each: (each.created, each.accessor))

    def destroy(self, secret_ids: Iterable[Issued]) -> None:
        """Destroy *secret_ids*. Their tokens stay valid."""
        for each in secret_ids:
            body = {"secret_id_accessor": each.accessor}
            try:
                self.session.post(f"{self.path}/secret-id-accessor/destroy", body, retry=False)
            except (ServerFault, RequestRefused):
                # The server returns 500 for a secret-id that was destroyed or used up since.
                if self._look_up_secret_id(each.accessor) is not None:
                    raise

    def tokens(self) -> list[Issued]:
        """Return the live tokens of the role's logins, but that of this session itself."""
        found = filter(self._is_of_role, live_tokens(self.session))
        tokens = [_issued(each["accessor"], each["meta"], each) for each in found]
        return sorted(tokens, key=lambda each: (each.created, each.accessor))

    def revoke(self, tokens: Iterable[Issued]) -> None:
        """Revoke *tokens* with their leases."""
        for each in tokens:
            body = {"accessor": each.accessor}
            try:
                self.session.post("auth/token/revoke-accessor", body)
            except RequestRefused:
                if look_up_token(self.session, each.accessor) is not None:
                    raise

    def _secret_ids(self) -> Iterator[Issued]:
        for accessor in self.session.list(f"{self.path}/secret-id"):
            data = self._look_up_secret_id(accessor)
            if data is not None:
                yield _issued(accessor, data.get("metadata") or {}, data)

    def _look_up_secret_id(self, accessor: str) -> dict[str, Any] | None:
        """Return the data of a secret-id, None if it was used up or has expired."""
        path, body = f"{self.path}/secret-id-accessor/lookup", {"secret_id_accessor": accessor}
        return look_up(self.session, path, body, HTTPStatus.NOT_FOUND)

    def _is_of_role(self, token: Mapping[str, Any]) -> bool:
        is_login = token["path"] == f"{self.auth}/login"
        return is_login and (token["meta"] or {}).get("role_name") == self.role


def _issued(accessor: str, metadata: Mapping[str, str], data: Mapping[str, Any]) -> Issued:
    created = parse_time(data.get("issue_time") or data["creation_time"])
    expires = data.get("expire_time") or data.get("expiration_time")
    return Issued(
        accessor,
        metadata.get(ISSUED_KEY),
        metadata.get(HOST_KEY),
        created or datetime.min.replace(tzinfo=UTC),
        parse_time(expires) if expires else None,
    )
