"""Leases of database users: how long each lasts, and which the server could not revoke."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from app_integration.errors import RequestRefused
from app_integration.names import Environment
from app_integration.session.session import Session
from console.page.sources.read_threads import read_all
from vault.declare.declaration import Declaration
from vault.reconcile.desired.leased_roles import leased_roles
from vault.reconcile.server_time import parse_time

#: Leases of a role that are looked up, because each costs a request.
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease, without its id."""

    issued: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class RoleLeases:
    """Leases of one role of a database or of Redis.

    *ttl* and *max_ttl* are seconds, without a renewal and in any case; *leases* are those of
    *count* that were looked up.
    """

    service: str
    role: str
    ttl: int
    max_ttl: int
    count: int
    leases: tuple[Lease, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leases:
    """Leases of an environment."""

    roles: tuple[RoleLeases, ...]
    others: int


def read_leases(session: Session, declaration: Declaration, environment: Environment) -> Leases:
    """Return the leases of an environment's database users."""
    creds = f"{declaration.environment(environment).mounts.database}/creds/"
    declared = [
        (scope.service, name, role)
        for scope in declaration.scopes(environment)
        for name, role in sorted(leased_roles(declaration, scope).items())
    ]
    if not declared:
        return Leases((), 0)
    failures, others = _read_failures(session, creds, {name for _, name, _ in declared})
    folders = [f"{creds}{name}/" for _, name, _ in declared]
    listed = read_all(lambda folder: session.list(f"sys/leases/lookup/{folder}"), folders)
    roles = []
    for (service, name, role), folder, ids in zip(declared, folders, listed, strict=True):
        found = read_all(partial(_look_up, session), [f"{folder}{each}" for each in ids[:MOST]])
        leases, reasons = tuple(filter(None, found)), tuple(failures[name])
        roles.append(RoleLeases(service, name, role.ttl, role.max_ttl, len(ids), leases, reasons))
    return Leases(tuple(roles), others)


def _look_up(session: Session, lease: str) -> Lease | None:
    """Return a lease, None if it has ended or does not end."""
    try:
        data = session.post("sys/leases/lookup", {"lease_id": lease})["data"]
    except RequestRefused as error:
        if error.status == HTTPStatus.BAD_REQUEST:
            return None
        raise
    issued, expires = (_parse(data[key]) for key in ("issue_time", "expire_time"))
    return Lease(issued, expires) if issued and expires else None


def _parse(text: str | None) -> datetime | None:
    return parse_time(text) if text else None


def _read_failures(
    session: Session, creds: str, names: Iterable[str]
) -> tuple[dict[str, list[str]], int]:
    """Return why leases of each role could not be revoked, and the number of other ones."""
    data: Mapping[str, Any] = session.get("sys/leases?type=irrevocable")["data"]
    found: dict[str, list[str]] = {name: [] for name in names}
    others = 0
    for each in data.get("leases") or ():
        role = str(each["lease_id"]).removeprefix(creds).partition("/")[0]
        if str(each["lease_id"]).startswith(creds) and role in found:
            found[role].append(str(each.get("error") or "no reason is known"))
        else:
            others += 1
    return found, others
