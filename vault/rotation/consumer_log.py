"""Reads of versions of secrets, token by token, as audit logs prove them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vault.rotation.audit_log import LogFile
from vault.rotation.audit_response import Response, parse_response

_RENEWALS: Final = frozenset(("auth/token/renew-self", "auth/token/renew"))
_REVOCATION: Final = "auth/token/revoke-self"
_REVOCATION_BY_ACCESSOR: Final = "auth/token/revoke-accessor"


@dataclass(slots=True)
class TokenReads:
    """What one token has read.

    Attributes:
        versions: API path → version → time of the last read of it.
        renewed: When the token was issued or last renewed, None if the log does not say so.
        ttl: Seconds for which it is valid after that, None if it does not expire.
        is_revoked: Whether it was revoked.

    """

    role: str | None
    host: str | None
    display_name: str | None
    versions: dict[str, dict[int, datetime]] = field(default_factory=dict)
    renewed: datetime | None = None
    ttl: int | None = None
    is_revoked: bool = False

    @property
    def identity(self) -> str:
        """Return the role and the host, as far as they are known."""
        name = self.role or f"a token without a role ({self.display_name or 'no name'})"
        return f"{name} on {self.host}" if self.host else name

    def has_ended(self, now: datetime) -> bool:
        """Return whether the token is not valid any more at *now*."""
        if self.is_revoked or self.renewed is None or not self.ttl:
            return self.is_revoked
        return now > self.renewed + timedelta(seconds=self.ttl)

    def last_reads(self, path: str) -> tuple[int, datetime] | None:
        """Return the newest version of *path* that it has read, and when, None if it has none."""
        found = self.versions.get(path)
        return None if not found else max(found.items())


@dataclass(slots=True)
class ConsumerLog:
    """What audit logs say about the tokens that have read some secrets.

    Attributes:
        tokens: HMAC of a token's accessor → its reads. Each audit device has HMACs of its own, so
            that two devices show one token twice, with the same reads.

    """

    files: list[LogFile] = field(default_factory=list)
    tokens: dict[str, TokenReads] = field(default_factory=dict)
    _renewed: dict[str, datetime] = field(default_factory=dict)
    _revoked: set[str] = field(default_factory=set)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return min((each.first for each in self.files if each.first), default=None)

    def add(self, response: Response, paths: Collection[str]) -> None:
        """Add one response of the log."""
        if response.path in paths:
            self._add_read(response)
        elif response.path == _REVOCATION_BY_ACCESSOR:
            accessor = response.request_data.get("accessor")
            self._revoked |= {accessor} if isinstance(accessor, str) else set()
        elif response.token is not None and response.path == _REVOCATION:
            self._revoked.add(response.token)
        elif response.token is not None and response.path in _RENEWALS:
            earlier = self._renewed.get(response.token, response.time)
            self._renewed[response.token] = max(earlier, response.time)

    def _add_read(self, response: Response) -> None:
        version = _version(response.data)
        if response.operation != "read" or version is None or response.token is None:
            return
        token = self.tokens.setdefault(
            response.token, TokenReads(response.role, response.host, response.display_name)
        )
        versions = token.versions.setdefault(response.path, {})
        versions[version] = max(versions.get(version, response.time), response.time)
        token.renewed, token.ttl = response.token_issued, response.token_ttl

    def finish(self) -> None:
        """Apply the renewals and revocations, because lines are not in the order of their times."""
        for name, token in self.tokens.items():
            token.is_revoked = name in self._revoked
            renewed = self._renewed.get(name)
            if renewed is not None and token.renewed is not None:
                token.renewed = max(token.renewed, renewed)


def read_consumer_log(
    files: Iterable[Path], paths: Collection[str], namespace: str = ""
) -> ConsumerLog:
    """Return which tokens have read the secrets at *paths*, by the audit logs *files*.

    Args:
        files: Files of audit devices. They may overlap, in any order.
        paths: API paths of the values.
        namespace: The Vault namespace of the deployment; empty for the root namespace.

    Raises:
        OSError: If a file cannot be read.
        ConfigurationError: If a file is no audit log.

    """
    wanted = frozenset((*paths, *_RENEWALS, _REVOCATION, _REVOCATION_BY_ACCESSOR))
    found = ConsumerLog()
    for path in files:
        log = LogFile(path)
        found.files.append(log)
        for document in log.responses(wanted.__contains__):
            response = parse_response(document)
            if response is not None and response.namespace == namespace.strip("/"):
                found.add(response, paths)
    found.finish()
    return found


def _version(data: Mapping[str, Any] | None) -> int | None:
    metadata = (data or {}).get("metadata")
    version = metadata.get("version") if isinstance(metadata, Mapping) else None
    return version if type(version) is int else None
