"""What one run of random calls left behind: at the caller, at the server, and in the database.

Times are seconds since 1970, from the one clock of the machine.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Final

#: Operations of a caller.
READ, READ_ANEW, READ_VERSION = "read", "read-anew", "read-version"
ENCRYPT, DECRYPT, QUERY = "encrypt", "decrypt", "query"
WRITE_ONCE, LEASE_ONCE = "write-once", "lease-once"
#: Operations that read the current value of a secret.
CURRENT: Final = (READ, READ_ANEW)
#: Operations that no client may repeat. Each call has a path of its own.
ONCE: Final = (WRITE_ONCE, LEASE_ONCE)

#: The outcome of a call that returned; otherwise it is the class of the error.
VALUE: Final = "value"
#: How a value was served, by the SDK's own access record.
HIT, MISS, STALE = "hit", "miss", "stale"

#: Kinds of faults.
KILL, PAUSE, CUT, RESET, BLACKHOLE, DELAY = "kill", "pause", "cut", "reset", "blackhole", "delay"
REVOKED_TOKEN, REVOKED_LEASES, DENIED = "revoked-token", "revoked-leases", "denied"
#: Faults in which the server answers, and no response arrives.
LOST: Final = (CUT, BLACKHOLE)


@dataclass(frozen=True)
class Call:
    """One call of the SDK."""

    number: int
    thread: int
    operation: str
    path: str
    begun: float
    ended: float
    outcome: str
    served: str | None = None
    version: int | None = None
    value: int | None = None
    request_id: str | None = None
    lease_id: str | None = None


@dataclass(frozen=True)
class Request:
    """One request, by the audit log of the server."""

    at: float
    request_id: str
    operation: str
    path: str
    has_parameters: bool = False
    ended: float | None = None
    error: str = ""
    lease_id: str | None = None
    username: str | None = None
    named_lease: str | None = None


@dataclass(frozen=True)
class Login:
    """One login of a leased user, by the log of the database."""

    at: float
    username: str


@dataclass(frozen=True)
class Fault:
    """One fault, for as long as it surely held."""

    kind: str
    begun: float
    ended: float


@dataclass(frozen=True)
class Write:
    """One write of a secret by an operator."""

    path: str
    version: int
    value: int
    begun: float
    ended: float


@dataclass(frozen=True)
class OrphanReport:
    """The SDK's own report that a lease may have been issued and lost."""

    at: float
    path: str


@dataclass(frozen=True)
class History:
    """All events of one run."""

    seed: int
    cache_ttl: float
    stale_limit: float
    data_key_age: float
    deadline: float
    calls: tuple[Call, ...] = ()
    requests: tuple[Request, ...] = ()
    logins: tuple[Login, ...] = ()
    faults: tuple[Fault, ...] = ()
    writes: tuple[Write, ...] = ()
    reports: tuple[OrphanReport, ...] = ()

    def to_json(self) -> str:
        """Return it as text, from which :meth:`from_json` makes it again."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> History:
        """Return the history that *text* describes."""
        fields: dict[str, Any] = json.loads(text)
        for name, kind in _EVENTS.items():
            fields[name] = tuple(kind(**each) for each in fields[name])
        return cls(**fields)


_EVENTS: Final[dict[str, Any]] = {
    "calls": Call,
    "requests": Request,
    "logins": Login,
    "faults": Fault,
    "writes": Write,
    "reports": OrphanReport,
}
