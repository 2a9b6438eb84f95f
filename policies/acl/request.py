"""Request that is decided about: what the server takes it for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.acl.grant import Seconds

#: Each operation → the capability that it needs. ``help`` needs none.
OPERATIONS: Final[Mapping[str, str | None]] = {
    "create": "create",
    "read": "read",
    "update": "update",
    "patch": "patch",
    "delete": "delete",
    "list": "list",
    "scan": "scan",
    "help": None,
    "renew": "update",
    "revoke": "update",
    "rollback": "update",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its operation, parameters, and the seconds for which its response is wrapped.

    Parameters are what JSON has, and text or lists of it for *read*, *list* and *scan*, which have
    them in the URL.
    """

    operation: str
    parameters: Mapping[str, Any]
    wrap_ttl: Seconds | float | None
    approvals: int
