"""Logins with secret-ids of AppRoles, as audit logs prove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app_integration.names import AGENT_ISSUED
from vault.rotation.audit_response import Response
from vault.rotation.response_log import ResponseLog, first_time


@dataclass(frozen=True, slots=True, order=True)
class Client:
    """What a log says of the client of a login."""

    role: str
    name: str
    host: str
    address: str


@dataclass(slots=True)
class LoginLog:
    """What audit logs say about the logins with secret-ids that are not an agent's."""

    source: ResponseLog
    login: str
    times: dict[Client, tuple[datetime, datetime]] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return first_time(self.source.files)

    def has_login(self, role: str, name: str, since: datetime) -> bool:
        """Return whether a client has logged in with a secret-id of *role* after *since*."""
        return any(
            (each.role, each.name) == (role, name) and last > since
            for each, (_first, last) in self.times.items()
        )

    def read(self) -> None:
        """Read what the logs have more than at the last call."""
        for response in self.source.responses({self.login}, by_token=False):
            if response.path == self.login and response.issued != AGENT_ISSUED:
                self.add(response)

    def add(self, response: Response) -> None:
        """Add a login."""
        time, client = response.time, _client(response)
        first, last = self.times.get(client, (time, time))
        self.times[client] = min(first, time), max(last, time)


def read_login_log(log: ResponseLog, login: str) -> LoginLog:
    """Return the logins with secret-ids that are not an agent's."""
    found = LoginLog(log, login)
    found.read()
    return found


def _client(response: Response) -> Client:
    texts = (response.role, response.issued, response.host, response.address)
    return Client(*(text or "" for text in texts))
