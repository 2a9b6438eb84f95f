"""Logins with secret-ids of AppRoles, as audit logs prove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app_integration.names import AGENT_ISSUED
from vault.rotation.audit_log import LogFile, first_time
from vault.rotation.audit_response import Response, read_responses


@dataclass(frozen=True, slots=True, order=True)
class Client:
    """What a log says of the client of a login.

    Attributes:
        role: The AppRole, empty if the log does not say so.
        name: Name of the secret-id, empty if it has none.
        host: Host in the metadata of the secret-id, empty if it has none.
        address: Address of the client, empty if the log does not say so.

    """

    role: str
    name: str
    host: str
    address: str


@dataclass(slots=True)
class LoginLog:
    """What audit logs say about the logins with secret-ids that are not an agent's.

    Attributes:
        files: The files that were read.
        login: API path of the login.
        namespace: The Vault namespace of the deployment; empty for the root namespace.
        times: Client → times of its first and last login.

    """

    files: list[LogFile]
    login: str
    namespace: str = ""
    times: dict[Client, tuple[datetime, datetime]] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return first_time(self.files)

    def has_login(self, role: str, name: str, since: datetime) -> bool:
        """Return whether a client has logged in with a secret-id of *role* after *since*.

        Args:
            role: The AppRole.
            name: Name of the secret-id.
            since: The time after which the login must be.

        """
        return any(
            (each.role, each.name) == (role, name) and last > since
            for each, (_first, last) in self.times.items()
        )

    def read(self) -> None:
        """Read what the files have more than at the last call.

        Raises:
            OSError: If a file cannot be read.
            ConfigurationError: If a file is no audit log.

        """
        for log in self.files:
            for response in read_responses(log, self.login.__eq__, self.namespace):
                if response.path == self.login and response.issued != AGENT_ISSUED:
                    self.add(response)

    def add(self, response: Response) -> None:
        """Add a login."""
        time, client = response.time, _client(response)
        first, last = self.times.get(client, (time, time))
        self.times[client] = min(first, time), max(last, time)


def read_login_log(files: Iterable[Path], login: str, namespace: str = "") -> LoginLog:
    """Return the logins with secret-ids that are not an agent's.

    Args:
        files: Files of audit devices. They may overlap, in any order.
        login: API path of the login.
        namespace: The Vault namespace of the deployment; empty for the root namespace.

    Raises:
        OSError: If a file cannot be read.
        ConfigurationError: If a file is no audit log.

    """
    found = LoginLog([LogFile(path) for path in files], login, namespace)
    found.read()
    return found


def _client(response: Response) -> Client:
    texts = (response.role, response.issued, response.host, response.address)
    return Client(*(text or "" for text in texts))
