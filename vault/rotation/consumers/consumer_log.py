"""Reads of versions of secrets, token by token, as audit logs prove them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from vault.rotation.audit_response import Response
from vault.rotation.response_log import ResponseLog, first_time

_RENEWALS: Final = frozenset(
    ("auth/token/renew-self", "auth/token/renew", "auth/token/renew-accessor")
)
_REVOCATION: Final = "auth/token/revoke-self"
_REVOCATION_BY_ACCESSOR: Final = "auth/token/revoke-accessor"


@dataclass(slots=True)
class VersionReads:
    """Reads of one version by one token."""

    first: datetime
    last: datetime
    addresses: set[str] = field(default_factory=set)

    def add(self, first: datetime, last: datetime, addresses: Iterable[str]) -> None:
        """Add reads, in any order."""
        self.first, self.last = min(self.first, first), max(self.last, last)
        self.addresses.update(addresses)


@dataclass(slots=True)
class TokenReads:
    """What one token has read.

    *versions* maps an API path to the reads of each version. *ttl* is in seconds from *renewed*;
    None if the token does not expire. With *is_closed*, the token revoked itself, as
    at the end of a session.
    """

    role: str | None
    host: str | None
    display_name: str | None
    policies: tuple[str, ...] = ()
    issued: datetime | None = None
    is_batch: bool = False
    versions: dict[str, dict[int, VersionReads]] = field(default_factory=dict)
    renewed: datetime | None = None
    ttl: int | None = None
    is_revoked: bool = False
    is_closed: bool = False

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

    def first_read(self, path: str, version: int, since: datetime) -> datetime | None:
        """Return when it first read *version* of *path* or a newer one, None if it has not.

        A read before *since*, when there was no such version, is of a deleted secret of that name.
        """
        found = self.versions.get(path, {})
        reads = [each for key, each in found.items() if key >= version and each.last >= since]
        return min((max(each.first, since) for each in reads), default=None)

    def add(self, path: str, version: int, reads: VersionReads) -> None:
        """Add *reads* of *version*."""
        versions = self.versions.setdefault(path, {})
        known = versions.setdefault(version, VersionReads(reads.first, reads.last))
        known.add(reads.first, reads.last, reads.addresses)

    def merge(self, other: TokenReads) -> None:
        """Add what another audit device has of the same token."""
        for path, versions in other.versions.items():
            for version, reads in versions.items():
                self.add(path, version, reads)


@dataclass(slots=True)
class ConsumerLog:
    """What audit logs say about the tokens that have read some secrets.

    Each audit device has HMACs of its own, so that two devices show one token under two names. The
    id of a request is the same for both, and tells which names are of one token.
    """

    source: ResponseLog
    paths: frozenset[str]
    _tokens: dict[str, TokenReads] = field(default_factory=dict)
    _renewed: dict[str, datetime] = field(default_factory=dict)
    _revoked: set[str] = field(default_factory=set)
    _closed: set[str] = field(default_factory=set)
    _requests: dict[str, str] = field(default_factory=dict)
    _aliases: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return first_time(self.source.files)

    @property
    def tokens(self) -> list[TokenReads]:
        """Return each token once, with its renewals and revocations.

        They are applied last, because lines are not in the order of their times.
        """
        found: dict[str, TokenReads] = {}
        for name, token in self._tokens.items():
            same = found.setdefault(
                self._aliases.get(name, name),
                replace(token, versions={}, renewed=None),
            )
            same.merge(token)
            same.is_closed |= name in self._closed
            same.is_revoked |= name in self._revoked | self._closed
            times = (same.renewed, token.renewed, self._renewed.get(name))
            same.renewed = max(filter(None, times), default=None)
        return list(found.values())

    def read(self) -> None:
        """Read what the logs have more than at the last call."""
        wanted = {*self.paths, *_RENEWALS, _REVOCATION, _REVOCATION_BY_ACCESSOR}
        for response in self.source.responses(wanted, by_token=True):
            self.add(response)

    def add(self, response: Response) -> None:
        """Add one response of the log."""
        token = response.token
        if response.path == _REVOCATION_BY_ACCESSOR:
            if response.given_accessor is not None:
                self._revoked.add(response.given_accessor)
        elif token is None:
            return
        elif response.path in self.paths:
            self._add_read(response, token)
        elif response.path == _REVOCATION:
            self._closed.add(token)
        elif response.path in _RENEWALS:
            name = response.renewed or token
            self._renewed[name] = max(self._renewed.get(name, response.time), response.time)

    def _add_read(self, response: Response, name: str) -> None:
        version = response.secret_version
        if response.operation != "read" or version is None:
            return
        known = self._requests.setdefault(response.id, name) if response.id else name
        if known != name:
            self._aliases[name] = self._aliases.get(known, known)
        token = self._tokens.setdefault(
            name,
            TokenReads(
                *(response.role, response.host, response.display_name),
                *(response.policies, response.token_issued, response.is_batch),
            ),
        )
        addresses = {response.address} if response.address else set()
        token.add(response.path, version, VersionReads(response.time, response.time, addresses))
        token.renewed, token.ttl = response.token_issued, response.token_ttl


def read_consumer_log(log: ResponseLog, paths: Collection[str]) -> ConsumerLog:
    """Return which tokens have read the secrets at *paths*, by the audit logs *log*."""
    found = ConsumerLog(log, frozenset(paths))
    found.read()
    return found
