"""Logins with the secret-ids of one AppRole, as audit logs prove them."""

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
        name: Name of the secret-id, empty if it has none.
        host: Host in the metadata of the secret-id, empty if it has none.
        address: Address of the client, empty if the log does not say so.

    """

    name: str
    host: str
    address: str


@dataclass(slots=True)
class LoginLog:
    """What audit logs say about the logins of one role with secret-ids that are not an agent's.

    Attributes:
        files: The files that were read.
        role: The AppRole.
        login: API path of the login.
        namespace: The Vault namespace of the deployment; empty for the root namespace.
        times: Client → times of its logins. Two audit devices have one login at one time each.

    """

    files: list[LogFile]
    role: str
    login: str
    namespace: str = ""
    times: dict[Client, set[datetime]] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return first_time(self.files)

    def has_login(self, name: str, since: datetime) -> bool:
        """Return whether a client has logged in with the secret-id *name* after *since*."""
        return any(each.name == name and max(times) > since for each, times in self.times.items())

    def read(self) -> None:
        """Read what the files have more than at the last call.

        Raises:
            OSError: If a file cannot be read.
            ConfigurationError: If a file is no audit log.

        """
        for log in self.files:
            for response in read_responses(log, self.login.__eq__, self.namespace):
                is_of_role = response.path == self.login and response.role == self.role
                if is_of_role and response.issued != AGENT_ISSUED:
                    self.add(response)

    def add(self, response: Response) -> None:
        """Add a login of the role."""
        name, host = response.issued or "", response.host or ""
        client = Client(name, host, response.address or "")
        self.times.setdefault(client, set()).add(response.time)


def read_login_log(files: Iterable[Path], role: str, login: str, namespace: str = "") -> LoginLog:
    """Return the logins of *role* with secret-ids that are not an agent's.

    Args:
        files: Files of audit devices. They may overlap, in any order.
        role: The AppRole.
        login: API path of the login.
        namespace: The Vault namespace of the deployment; empty for the root namespace.

    Raises:
        OSError: If a file cannot be read.
        ConfigurationError: If a file is no audit log.

    """
    found = LoginLog([LogFile(path) for path in files], role, login, namespace)
    found.read()
    return found
