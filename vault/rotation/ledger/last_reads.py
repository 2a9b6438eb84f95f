"""Last reads and uses of items, as audit logs prove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from app_integration.mounts import Mounts
from app_integration.permissions import need
from vault.audit.event_file import EventFile
from vault.reconcile.resources.kv import data_path
from vault.rotation.audit_response import Response
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.response_log import ResponseLog, first_time, last_time

#: Operations of the Transit engine that use a key.
_USES: Final = (
    *("encrypt", "decrypt", "rewrap", "hmac", "sign", "verify"),
    *("datakey/plaintext", "datakey/wrapped"),
)
_WRITES: Final = frozenset(("create", "update"))
_READS: Final = frozenset(("read",))

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Read:
    """A read of a value, a use of a key, or a login."""

    time: datetime
    operation: str
    role: str | None
    host: str | None
    display_name: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class _Watch:
    """An API path that reads, uses or rotates *item*, by a request of one of *requests*."""

    item: Item
    operation: str
    requests: frozenset[str]


@dataclass(slots=True)
class AuditLogs:
    """What audit logs say about items.

    The keys of *logins* are an AppRole and the name of a secret-id, or None for all without one.
    """

    files: list[EventFile] = field(default_factory=list)
    reads: dict[Item, Read] = field(default_factory=dict)
    rotations: dict[Item, datetime] = field(default_factory=dict)
    logins: dict[tuple[str, str | None], Read] = field(default_factory=dict)

    @property
    def first(self) -> datetime | None:
        """Return the earliest time in the logs, None if they have no line."""
        return first_time(self.files)

    @property
    def last(self) -> datetime | None:
        """Return the latest time in the logs, None if they have no line."""
        return last_time(self.files)

    @property
    def skipped(self) -> int:
        """Return the number of lines that could not be read."""
        return sum(each.skipped for each in self.files)


def read_audit_logs(
    log: ResponseLog, items: Iterable[Item], mounts: Mounts, known: AuditLogs | None = None
) -> AuditLogs:
    """Return what *log* says about *items*.

    *known* is what earlier calls with the same log and items returned, and is added to.
    """
    items = list(items)
    watched = _watches(items, mounts)
    roles = {item.server_name for item in items if item.kind is Kind.SECRET_ID}
    login, found = f"{mounts.auth}/login", known or AuditLogs()
    for response in log.responses({*watched, login}, by_token=False):
        if response.path == login and response.role is not None and response.role in roles:
            key = (response.role, response.issued)
            _keep_latest(found.logins, key, _read(response, "login", None))
        elif watch := watched.get(response.path):
            _record(found, watch, response)
    found.files = log.files
    return found


def _record(found: AuditLogs, watch: _Watch, response: Response) -> None:
    if response.operation not in watch.requests:
        return
    if watch.item.kind is Kind.ROOT_USER:
        latest = found.rotations.get(watch.item, response.time)
        found.rotations[watch.item] = max(latest, response.time)
    elif response.has_data or response.is_wrapped:
        version = _version(watch, response)
        _keep_latest(found.reads, watch.item, _read(response, watch.operation, version))


def _keep_latest(latest: dict[_Key, Read], key: _Key, read: Read) -> None:
    if key not in latest or latest[key].time < read.time:
        latest[key] = read


def _read(response: Response, operation: str, version: int | None) -> Read:
    who = (response.role, response.host, response.display_name)
    return Read(response.time, operation, *who, version)


def _version(watch: _Watch, response: Response) -> int | None:
    """Return the version that a response says was read, or encrypted with, None if none.

    The response of a decryption has no version of the key.
    """
    if watch.item.kind in {Kind.SECRET, Kind.USER_PAIR}:
        return response.secret_version
    return response.key_version


def _watches(items: Iterable[Item], mounts: Mounts) -> dict[str, _Watch]:
    """Return the API paths that read, use or rotate *items*."""
    watches: dict[str, _Watch] = {}
    for item in items:
        name = item.server_name
        match item.kind:
            case Kind.SECRET | Kind.USER_PAIR:
                watches[data_path(name, mounts.kv)] = _Watch(item, "read", _READS)
            case Kind.STATIC_USER:
                path = need("read-static-user", name, mounts).path
                watches[path] = _Watch(item, "read", _READS)
            case Kind.KEY:
                for use in _USES:
                    watches[f"{mounts.transit}/{use}/{name}"] = _Watch(item, use, _WRITES)
            case Kind.ROOT_USER:
                path = f"{mounts.database}/rotate-root/{name}"
                watches[path] = _Watch(item, "rotate", _WRITES)
            case Kind.SECRET_ID | Kind.INDEX_KEY:
                pass  # because logins of all AppRoles have one path, and an index key has none
    return watches
